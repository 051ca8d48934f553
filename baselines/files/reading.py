"""Reads files of pytest-benchmark: this suite's with all their words, other projects' with what they have.

run_file.py writes the files of runs, store.py those of accepted runs; both are read here.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import math
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeGuard

from baselines.files.results import KERNEL_PARTS, Acceptance, KernelTimes, Launch, Result, Run
from baselines.files.run_file import JOURNAL_NAME, RUN_NAME, SCHEMA, RunFileError, newest_run
from baselines.files.stored_text import BASELINE_SCHEMA, edited_line
from baselines.judging.judgement import Judgement

RUNS: Final = Path(__file__).resolve().parents[2] / "runs"
"""Where the runs of this checkout are kept."""

_LARGEST: Final = 1e300

_IDENTITY_TEXT: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

_ONE_VALUE: Final = 1e-9
"""Two readings of one number agree within this share; only a hand can make them differ by more."""


def run_path(run: Path | None, runs: Path = RUNS) -> Path:
    """The file of the run that was named by its file or folder; of the newest when none was named.

    Raises:
        RunFileError: there is none.
    """
    folder = newest_run(runs) if run is None else run
    if not folder.is_dir():
        return folder
    path = folder / RUN_NAME
    if not path.exists() and (folder / JOURNAL_NAME).exists():
        raise RunFileError(
            f"{folder}: the run was cut off, or still runs; make its file: python -m baselines recover {folder}"
        )
    return path


def read_run(path: Path) -> Run:
    """Reads a file of pytest-benchmark.

    Raises:
        RunFileError: it cannot be read as one; the message says where and why.
    """
    return _FileOfRun(path).run()


def read_with_content(path: Path) -> tuple[Run, dict[str, Any]]:
    """As `read_run`, and the JSON itself for whoever writes it again: its benchmarks stand in the order of the results."""
    file = _FileOfRun(path)
    return file.run(), file.content


def result_of(record: Mapping[str, Any]) -> Result:
    """One benchmark of this suite, from its record in pytest-benchmark's form.

    Raises:
        RunFileError: it lacks what this suite always writes, or a number in it cannot be judged.
    """
    try:
        return _result(record, ours=True, stored=False)
    except _Unusable as error:
        raise RunFileError(f"{record.get('fullname')}: {error}") from None


class _FileOfRun:
    """One file while it is read: what it says, and where, for the messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.text = path.read_bytes().decode()
        except OSError as error:
            raise self.error(error.strerror or str(error)) from None
        except UnicodeDecodeError as error:
            raise self.error(f"not text: {error.reason} at byte {error.start}") from None
        self.content = self._parsed()

    def error(self, message: str, line: int | None = None) -> RunFileError:
        """An error that names the file and, where known, the line."""
        return RunFileError(f"{self.path}:{line}: {message}" if line else f"{self.path}: {message}")

    def _parsed(self) -> dict[str, Any]:
        if not self.text.strip():
            raise self.error("the file is empty")
        try:
            content = json.loads(self.text)
        except json.JSONDecodeError as error:
            torn = error.pos >= len(self.text.rstrip()) or not self.text.rstrip().endswith("}")
            what = "the file ends in the middle: it is truncated" if torn else f"not JSON: {error.msg}, column {error.colno}"
            raise self.error(what, error.lineno) from None
        except (ValueError, RecursionError) as error:  # an integer of thousands of digits, lists in lists in lists
            raise self.error(f"not a file of pytest-benchmark: {error}") from None
        if not isinstance(content, dict) or not isinstance(content.get("benchmarks"), list):
            raise self.error('not a file of pytest-benchmark: it has no list of "benchmarks"', 1)
        return content

    def line_of(self, index: int) -> int | None:
        """The line where a benchmark's fullname stands, the first of the text for a file without line breaks."""
        place, benchmarks = -1, self.content["benchmarks"]
        for benchmark in benchmarks[: index + 1]:
            fullname = benchmark.get("fullname") if isinstance(benchmark, dict) else None
            found = self.text.find(f'"fullname": {json.dumps(fullname)}', place + 1) if isinstance(fullname, str) else -1
            if found < 0:
                return None
            place = found
        return self.text.count("\n", 0, place) + 1

    def section(self, key: str) -> Mapping[str, Any]:
        """One of the file's objects; empty when it is absent or null."""
        value = self.content.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.error(f'"{key}" is no object')
        return value

    def run(self) -> Run:
        words, machine, commit = self.section("run"), self.section("machine_info"), self.section("commit_info")
        ours = "schema" in words
        if ours:
            self._check_schema("run.schema", words["schema"], SCHEMA)
        accepted = self._acceptance()
        results = tuple(self._results(ours=ours, stored=accepted is not None))
        fingerprint = isinstance(machine.get("hard"), dict) and isinstance(machine.get("soft"), dict)
        return Run(
            path=self.path,
            results=results,
            ours=ours,
            machine_id=_text(machine.get("machine_id")),
            machine_hard=machine["hard"] if fingerprint else {},
            machine_soft=machine["soft"] if fingerprint else _foreign_machine(machine),
            commit=_text(commit.get("id")),
            dirty=commit.get("dirty") is True,
            datetime=_moment(self.content.get("datetime")),
            packages=_packages(self.section("environment")),
            preset=_text(words.get("preset")),
            model=next((result.model for result in results if result.model), _text(words.get("model"))),
            inputs=_text(words.get("inputs")),
            arguments=_text(words.get("arguments")),
            speed_guards=words.get("speed_guards") is not False,
            partial=words.get("partial") is True,
            not_measured={key: how for key, how in mapping(words.get("not_measured")).items() if isinstance(how, dict)},
            not_reached=_texts(words.get("not_reached")),
            skipped=_skipped(words.get("skipped")),
            judgements=_judgements(mapping(words.get("verdicts"))),
            missing={name: str(how) for name, how in mapping(mapping(words.get("verdicts")).get("missing")).items()},
            judged_against=_texts(mapping(words.get("verdicts")).get("baseline")),
            pytest_benchmark=_text(self.content.get("version")),
            accepted=accepted,
        )

    def _check_schema(self, key: str, value: object, known: int) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.error(f"{key} is {json.dumps(value)}, not a positive integer")
        if value > known:
            raise self.error(
                f"{key} is {value} and this checkout reads up to {known}; use a checkout that reads {key} {value}"
            )

    def _acceptance(self) -> Acceptance | None:
        words = self.section("baseline")
        if not words:
            return None
        self._check_schema("baseline.schema", words.get("schema"), BASELINE_SCHEMA)
        missing = [key for key in ("reason", "accepted", "commit", "run", "whole", "lines") if key not in words]
        if missing:
            raise self.error(f"baseline has no {', '.join(missing)}; {self._restore()}")
        if not isinstance(words["lines"], list):
            raise self.error(f"baseline.lines is no list of checksums; {self._restore()}")
        edited = edited_line(self.text, words["lines"])
        if edited is not None:
            raise self.error(f"this line is not as it was accepted (edited by hand, or merged); {self._restore()}", edited)
        number = self.path.name.split("_")[0]
        return Acceptance(
            number=int(number) if number.isdecimal() else 0,
            reason=str(words["reason"]),
            accepted=str(words["accepted"]),
            commit=str(words["commit"]),
            run=str(words["run"]),
            whole=words["whole"] is True,
        )

    def _restore(self) -> str:
        return f"restore it: git checkout -- {self.path}"

    def _results(self, *, ours: bool, stored: bool) -> Iterable[Result]:
        seen: dict[str, int] = {}
        for index, benchmark in enumerate(self.content["benchmarks"]):
            try:
                result = _result(benchmark, ours=ours, stored=stored)
                if result.key in seen:
                    raise _Unusable(f"it is there twice, first as number {seen[result.key] + 1}")
            except _Unusable as error:
                named = benchmark.get("fullname") if isinstance(benchmark, dict) else None
                where = named if isinstance(named, str) else f"benchmarks[{index}]"
                raise self.error(f"{where}: {error}", self.line_of(index)) from None
            seen[result.key] = index
            yield result


class _Unusable(Exception):
    """A benchmark in a file cannot be used; the message says why."""


def _result(benchmark: object, *, ours: bool, stored: bool) -> Result:
    if not isinstance(benchmark, Mapping):
        raise _Unusable("not an object")
    fullname, stats = benchmark.get("fullname"), benchmark.get("stats")
    if not isinstance(fullname, str) or not isinstance(stats, dict):
        raise _Unusable("it has no fullname or no stats: pytest-benchmark did not write it")
    extra = mapping(benchmark.get("extra_info"))
    model, configuration = mapping(extra.get("model")), mapping(extra.get("configuration"))
    known = "config_sha256" in model and bool(configuration)
    if ours and not known:
        raise _Unusable("extra_info has no model.config_sha256 or no configuration, which this suite always writes")
    identity = (
        {"model.config_sha256": model["config_sha256"], "inputs": extra.get("inputs"), "configuration": configuration}
        if known
        else _foreign_identity(benchmark)
    )
    rounds_s = _rounds(stats)
    instances = extra.get("instances", 1) if known else 1
    if not isinstance(instances, int) or instances < 1:
        raise _Unusable(f"extra_info.instances is {json.dumps(instances)}, not a positive integer")
    throughput_per_s = _positive(extra, "throughput_per_s", "extra_info") if known and "throughput_per_s" in extra else None
    if instances > 1 and throughput_per_s is None:
        raise _Unusable(f"it ran {instances} instances and extra_info has no throughput_per_s, which is what is judged")
    median_s = _median(stats, rounds_s, checked=ours and not stored)
    marks = mapping(extra.get("baseline")) if stored else {}
    name = _text(benchmark.get("name")) or fullname.rpartition("::")[2]
    return Result(
        fullname=fullname,
        name=name,
        id=_text(benchmark.get("param")) or name,
        group=_text(benchmark.get("group")),
        identity=identity,
        key=_key(fullname, identity),
        median_s=median_s,
        throughput_per_s=throughput_per_s,
        launches=_launches(extra, Launch(median_s=median_s, throughput_per_s=throughput_per_s), instances),
        instances=instances,
        rounds_s=rounds_s,
        rounds=_count(stats.get("rounds"), len(rounds_s)),
        iterations=_count(stats.get("iterations"), 1),
        configuration=configuration if known else {},
        problem_size=mapping(extra.get("problem_size")) if known else {},
        model=_text(model.get("name")) if known else None,
        inputs=_text(extra.get("inputs")) if known else None,
        versions=mapping(extra.get("versions")) if known else {},
        warmed_up=_flag(mapping(extra.get("warm_up")).get("steady")) if known else None,
        steal_share=_share(extra.get("steal_share")) if known else None,
        wait_share=_share(extra.get("wait_share")) if known else None,
        others_share=_share(extra.get("others_share")) if known else None,
        share_of_limit=_share(mapping(extra.get("work")).get("share_of_limit")) if known else None,
        anchor=marks.get("anchor") is True,
        accepted_as=_text(marks.get("accepted_as")),
        duet=mapping(extra.get("duet")) if known else {},
    )


def _rounds(stats: Mapping[str, Any]) -> tuple[float, ...]:
    """The rounds, where the file has them: pytest-benchmark leaves them out without --benchmark-save-data."""
    data = stats.get("data")
    if data is None:
        return ()
    if not isinstance(data, list) or not data:
        raise _Unusable("stats.data is empty: it holds no round")
    if set(map(type, data)) == {float} and min(data) >= 0 and math.isfinite(sum(data)):
        return tuple(data)  # the ordinary case, fast: a baseline has a million rounds
    for number, value in enumerate(data):
        if not is_number(value) or value < 0:  # 0 is what a coarse clock says of a fast function
            raise _Unusable(f"stats.data[{number}] is {json.dumps(value)}, not a duration in seconds")
    return tuple(map(float, data))


def _median(stats: Mapping[str, Any], rounds_s: tuple[float, ...], *, checked: bool) -> float:
    if "median" not in stats and rounds_s:
        return _positive({"median": statistics.median(rounds_s)}, "median", "stats.data: its")
    median_s = _positive(stats, "median", "stats")
    if checked and rounds_s and not math.isclose(median_s, statistics.median(rounds_s), rel_tol=_ONE_VALUE):
        raise _Unusable(
            f"stats.median is {median_s!r} and the median of stats.data {statistics.median(rounds_s)!r}: edited by hand?"
        )
    return median_s


def _launches(extra: Mapping[str, Any], only: Launch, instances: int) -> tuple[Launch, ...]:
    """The launches of a benchmark; a file that speaks of none has the one."""
    words = extra.get("launches")
    if words is None:
        return (only,)
    if not isinstance(words, list) or not words or not all(isinstance(one, dict) for one in words):
        raise _Unusable("extra_info.launches is no list of launches")
    launches = []
    for number, one in enumerate(words):
        where = f"extra_info.launches[{number}]"
        throughput = _positive(one, "throughput_per_s", where) if instances > 1 or "throughput_per_s" in one else None
        kernel = _kernel(one["reference_kernel"], f"{where}.reference_kernel") if "reference_kernel" in one else None
        launches.append(Launch(median_s=_positive(one, "median_s", where), throughput_per_s=throughput, kernel=kernel))
    return tuple(launches)


def _kernel(words: Any, where: str) -> KernelTimes:
    """What the reference kernel took around a launch."""
    turns, slices = (mapping(words).get(key) for key in ("turns_s", "slices_s"))
    if not isinstance(turns, list) or not isinstance(slices, list) or not slices or len(turns) != len(slices) + 1:
        raise _Unusable(f"{where} is no object with slices_s and turns_s, of which there is one more")
    return KernelTimes(
        identity=", ".join(str(words.get(key)) for key in ("version", "numpy", "blas", "cpus")),
        turns_s=tuple({part: _positive(mapping(turn), part, f"{where}.turns_s") for part in KERNEL_PARTS} for turn in turns),
        slices_s=tuple(_positive({str(place): one}, str(place), f"{where}.slices_s") for place, one in enumerate(slices)),
    )


def _positive(values: Mapping[str, Any], key: str, where: str) -> float:
    value = values.get(key)
    if not is_number(value) or value <= 0:
        raise _Unusable(f"{where}.{key} is {json.dumps(value)}, not a positive number")
    return float(value)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value of a file is a finite number, and one to calculate with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST  # NaN is neither


def _foreign_identity(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, apart from those that could not be written down: they hold addresses, which change every time."""
    params = {
        name: value
        for name, value in mapping(benchmark.get("params")).items()
        if not str(value).startswith("UNSERIALIZABLE[")
    }
    return {"params": params} if params else {}


def _key(fullname: str, identity: Mapping[str, Any]) -> str:
    if not identity:
        return fullname
    return f"{fullname}#{hashlib.sha256(_IDENTITY_TEXT.encode(identity).encode()).hexdigest()[:16]}"


def _foreign_machine(machine: Mapping[str, Any]) -> dict[str, Any]:
    """What stands still in pytest-benchmark's machine_info, in the fingerprint's words; its hz_actual never does."""
    words = {
        "cpu_model_name": mapping(machine.get("cpu")).get("brand_raw") or mapping(machine.get("cpu")).get("brand"),
        "kernel": machine.get("release"),
        "os": machine.get("system"),
        "python": machine.get("python_version"),
    }
    return {key: value for key, value in words.items() if isinstance(value, str)}


def _packages(environment: Mapping[str, Any]) -> dict[str, str]:
    versions = {}
    for name, words in mapping(environment.get("packages")).items():
        if isinstance(words, dict) and isinstance(words.get("version"), str):
            versions[name] = words["version"] + (f"+{words['local']}" if words.get("local") else "")
    return versions


def _skipped(groups: object) -> dict[str, str]:
    """Reason by node id, of the groups that session.py writes."""
    found = {}
    for group in map(mapping, groups if isinstance(groups, list) else []):
        found.update(dict.fromkeys(_texts(group.get("benchmarks")), _text(group.get("reason")) or "no reason given"))
    return found


def _judgements(words: Mapping[str, Any]) -> dict[str, Judgement]:
    """Those that this checkout understands: they are words of a session, and the numbers stand beside them."""
    judgements = {}
    for nodeid, judgement in mapping(words.get("judgements")).items():
        with contextlib.suppress(TypeError, ValueError):
            judgements[nodeid] = Judgement.from_dict(mapping(judgement))
    return judgements


def _moment(text: object) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)  # 4.x wrote UTC bare


def mapping(value: object) -> Mapping[str, Any]:
    """An object of a file; empty where it is anything else."""
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _share(value: Any) -> float | None:
    return float(value) if is_number(value) else None


def _count(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and value > 0 else otherwise
