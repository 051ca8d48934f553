"""The results in a file of pytest-benchmark: this suite's with all their words, other projects' with what they have.

Whoever judges, accepts or reports sees a run as a `Run` of `Result`s and never as JSON. run_file.py writes the files of
runs, store.py those of accepted runs; both are read here.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeGuard

from baselines.run_file import JOURNAL_NAME, RUN_NAME, SCHEMA, RunFileError, newest_run
from baselines.stored_text import BASELINE_SCHEMA, edited_line

RUNS: Final = Path(__file__).resolve().parents[1] / "runs"
"""Where the runs of this checkout are kept."""

_LARGEST: Final = 1e300

_IDENTITY_TEXT: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

_ONE_VALUE: Final = 1e-9
"""Two readings of one number agree within this share; only a hand can make them differ by more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What one run says about one benchmark."""

    fullname: str
    """The node id."""
    name: str
    """The node id without its file."""
    id: str
    """What stands in the brackets of the node id; the name where there is nothing."""
    group: str | None
    identity: Mapping[str, Any]
    """What must be equal, apart from the node id, for two results to be judged against each other."""
    key: str
    """Node id and identity in one word: results of the same benchmark have the same key, all others another one."""
    median_s: float
    """Median latency over all rounds as measured, in seconds per forward pass (of the worst instance)."""
    throughput_per_s: float | None
    """Samples per second, summed over instances; None where the file does not say."""
    instances: int
    rounds_s: tuple[float, ...]
    """Seconds per forward pass in time order; at most 50 of an accepted run; empty where the file has only statistics."""
    rounds: int
    """How many rounds were measured, which may be more than are kept."""
    iterations: int
    """Forward passes in a round."""
    configuration: Mapping[str, Any]
    problem_size: Mapping[str, Any]
    model: str | None
    inputs: str | None
    versions: Mapping[str, str]
    """Of the backend's own libraries, as the instance reported them."""
    warmed_up: bool | None
    """Whether warm-up ended because rounds were steady; None where the file does not say."""
    steal_share: float | None
    """Share of the CPUs' time that a hypervisor took meanwhile; None where the file does not say."""
    anchor: bool
    """Whether this accepted result is the one that slow creep is measured from."""
    accepted_as: str | None
    """The verdict under which it was accepted, where that was `regressed` or `improved`: its level is a new one."""

    @property
    def by_throughput(self) -> bool:
        """Whether throughput is judged, for several instances, in place of median latency, for one."""
        return self.instances > 1

    @property
    def quantity(self) -> str:
        """The judged quantity in a word."""
        return "throughput" if self.by_throughput else "median"

    @property
    def value(self) -> float:
        """The judged quantity: seconds, or samples per second."""
        return self.median_s if self.throughput_per_s is None or not self.by_throughput else self.throughput_per_s

    @property
    def value_text(self) -> str:
        """The judged quantity with its unit: `8.31 ms`, `120 samples/s`."""
        return f"{three_digits(self.value)} samples/s" if self.by_throughput else duration_text(self.value)


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """How a run became part of the baseline."""

    number: int
    """Its place in the history, from the name of its file."""
    reason: str
    accepted: str
    """When, ISO 8601 in UTC."""
    commit: str
    """The commit that was checked out when it was accepted."""
    run: str
    """The folder of the run."""
    whole: bool
    """False when `--only` picked benchmarks out of the run."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One file of results."""

    path: Path
    results: tuple[Result, ...]
    """In the order of the file."""
    ours: bool
    """Whether this suite wrote it; the words that only this suite writes are empty otherwise."""
    machine_id: str | None
    machine_hard: Mapping[str, Any]
    machine_soft: Mapping[str, Any]
    """Of a foreign file the few words of pytest-benchmark's machine_info that stand still."""
    commit: str | None
    dirty: bool
    """Whether tracked files had changes when it was measured."""
    datetime: dt.datetime | None
    """When it began, in UTC."""
    packages: Mapping[str, str]
    """Version by distribution, `2.13.0+cpu` with its local label; empty where the file does not say."""
    preset: str | None
    model: str | None
    inputs: str | None
    arguments: str | None
    partial: bool
    """Whether it was cut off before its last benchmark."""
    not_measured: Mapping[str, Mapping[str, str]]
    """Outcome and reason by node id, of benchmarks that were failed or skipped."""
    not_reached: tuple[str, ...]
    verdicts: Mapping[str, str]
    """By node id what was said while it ran, with fresh launches of suspects; empty where nothing was judged."""
    missing: Mapping[str, str]
    """By node id, benchmarks of the baseline that it should have measured and did not, and what became of them."""
    judged_against: tuple[str, ...]
    """The files of the accepted runs behind `verdicts`."""
    pytest_benchmark: str | None
    """The version of pytest-benchmark."""
    accepted: Acceptance | None = None
    by_key: Mapping[str, Result] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_key", {result.key: result for result in self.results})

    @property
    def name(self) -> str:
        """How one would call it: the run's folder, else its file."""
        return self.path.parent.name if self.path.name == RUN_NAME else self.path.name

    @property
    def anchor(self) -> bool:
        """Whether creep of any benchmark is measured from this run."""
        return any(result.anchor for result in self.results)


def judged_value(result: Result) -> float:
    """Log of the median latency for one instance, of the time per sample (1 / throughput) for several: larger is slower."""
    return -math.log(result.value) if result.by_throughput else math.log(result.value)


def judged_values(result: Result) -> tuple[float, ...]:
    """The judged value of each launch. A file holds one launch per benchmark so far; `--launches` adds the others here."""
    return (judged_value(result),)


def ratio_text(measured: float, baseline: float) -> str:
    """From two judged values, `measured / baseline` of time: `+14.2 %` is slower."""
    return f"{100 * math.expm1(measured - baseline):+.1f} %"


def duration_text(seconds: float) -> str:
    """Three significant digits with the unit that suits: `8.31 ms`."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        if seconds * scale >= 0.9995 or unit == "ns":
            return f"{three_digits(seconds * scale)} {unit}"
    raise AssertionError("unreachable")


def three_digits(value: float) -> str:
    """A positive number with three significant digits and no exponent: `8.31`, `120`, `1234`."""
    decimals = 2 - math.floor(math.log10(float(f"{value:.2e}")))
    return f"{value:.{max(0, decimals)}f}"


def environment_differences(before: Run, after: Run) -> list[str]:
    """What changed around the benchmarks, `torch 2.13.0 -> 2.14.1`: packages first, then the soft part of the machine.

    Only what both files speak of is compared: a file that says nothing of packages has lost none.
    """
    packages = _changes(before.packages, after.packages) if before.packages and after.packages else []
    both = before.machine_soft.keys() & after.machine_soft.keys()
    old, new = ({key: run.machine_soft[key] for key in sorted(both)} for run in (before, after))
    return packages + _changes(old, new)


def identity_differences(before: Result, after: Result) -> list[str]:
    """Why two results of one node id are incomparable: `configuration.cpus [0] -> [1]`; empty when they are not."""
    return _changes(_flat(before.identity), _flat(after.identity))


def shown(path: Path) -> str:
    """A path as one would type it from here."""
    here = Path.cwd()
    return str(path.absolute().relative_to(here)) if path.absolute().is_relative_to(here) else str(path)


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
            partial=words.get("partial") is True,
            not_measured={key: how for key, how in _mapping(words.get("not_measured")).items() if isinstance(how, dict)},
            not_reached=_texts(words.get("not_reached")),
            verdicts=_verdicts(_mapping(words.get("verdicts"))),
            missing={name: str(how) for name, how in _mapping(_mapping(words.get("verdicts")).get("missing")).items()},
            judged_against=_texts(_mapping(words.get("verdicts")).get("baseline")),
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
    extra = _mapping(benchmark.get("extra_info"))
    model, configuration = _mapping(extra.get("model")), _mapping(extra.get("configuration"))
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
    marks = _mapping(extra.get("baseline")) if stored else {}
    name = _text(benchmark.get("name")) or fullname.rpartition("::")[2]
    return Result(
        fullname=fullname,
        name=name,
        id=_text(benchmark.get("param")) or name,
        group=_text(benchmark.get("group")),
        identity=identity,
        key=_key(fullname, identity),
        median_s=_median(stats, rounds_s, checked=ours and not stored),
        throughput_per_s=throughput_per_s,
        instances=instances,
        rounds_s=rounds_s,
        rounds=_count(stats.get("rounds"), len(rounds_s)),
        iterations=_count(stats.get("iterations"), 1),
        configuration=configuration if known else {},
        problem_size=_mapping(extra.get("problem_size")) if known else {},
        model=_text(model.get("name")) if known else None,
        inputs=_text(extra.get("inputs")) if known else None,
        versions=_mapping(extra.get("versions")) if known else {},
        warmed_up=_flag(_mapping(extra.get("warm_up")).get("steady")) if known else None,
        steal_share=_share(extra.get("steal_share")) if known else None,
        anchor=marks.get("anchor") is True,
        accepted_as=_text(marks.get("accepted_as")),
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
        if not _is_number(value) or value < 0:  # 0 is what a coarse clock says of a fast function
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


def _positive(values: Mapping[str, Any], key: str, where: str) -> float:
    value = values.get(key)
    if not _is_number(value) or value <= 0:
        raise _Unusable(f"{where}.{key} is {json.dumps(value)}, not a positive number")
    return float(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST  # NaN is neither


def _foreign_identity(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, apart from those that could not be written down: they hold addresses, which change every time."""
    params = {
        name: value
        for name, value in _mapping(benchmark.get("params")).items()
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
        "cpu_model_name": _mapping(machine.get("cpu")).get("brand_raw") or _mapping(machine.get("cpu")).get("brand"),
        "kernel": machine.get("release"),
        "os": machine.get("system"),
        "python": machine.get("python_version"),
    }
    return {key: value for key, value in words.items() if isinstance(value, str)}


def _packages(environment: Mapping[str, Any]) -> dict[str, str]:
    versions = {}
    for name, words in _mapping(environment.get("packages")).items():
        if isinstance(words, dict) and isinstance(words.get("version"), str):
            versions[name] = words["version"] + (f"+{words['local']}" if words.get("local") else "")
    return versions


def _verdicts(words: Mapping[str, Any]) -> dict[str, str]:
    judgements = _mapping(words.get("judgements")).items()
    return {nodeid: text for nodeid, judgement in judgements if (text := _text(_mapping(judgement).get("verdict")))}


def _moment(text: object) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)  # 4.x wrote UTC bare


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    changes = []
    for key in dict.fromkeys([*before, *after]):
        if key not in after:
            changes.append(f"{key} {_shown(before[key])} removed")
        elif key not in before:
            changes.append(f"{key} {_shown(after[key])} added")
        elif before[key] != after[key]:
            changes.append(f"{key} {_shown(before[key])} -> {_shown(after[key])}")
    return changes


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in identity.items():
        flat |= {f"{key}.{inner}": what for inner, what in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _share(value: Any) -> float | None:
    return float(value) if _is_number(value) else None


def _count(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and value > 0 else otherwise
