"""Reads files of pytest-benchmark: this suite's with all their words, other projects' with what they have.

run_folder.py writes those of runs, store.py those of accepted runs. One benchmark of a file: reading_benchmarks.py.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from baselines.files.accepted_file import BASELINE_SCHEMA, edited_line
from baselines.files.machine_id import without_memory
from baselines.files.reading_benchmarks import Unusable, benchmark_result
from baselines.files.reading_values import mapping, moment_of, text_of, texts_of
from baselines.files.result import Result
from baselines.files.run import Acceptance, Run
from baselines.files.run_folder import SCHEMA, RunFileError
from baselines.judging.judgement import Judgement
from baselines.judging.wording import typed


def read_run(path: Path) -> Run:
    """Reads a file of pytest-benchmark.

    Raises:
        RunFileError: it cannot be read as one; the message says where and why.
    """
    return _FileOfRun(path).run()


def read_with_content(path: Path) -> tuple[Run, dict[str, Any]]:
    """As `read_run`, and the JSON itself for whoever writes it again: its benchmarks are those of the results."""
    file = _FileOfRun(path)
    run = file.run()
    return run, {**file.content, "benchmarks": file.usable}


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
        self.usable: list[dict[str, Any]] = []
        """Its benchmarks that became results, once `run` has read them."""

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
        """The line of a benchmark's fullname, the first of the text for a file without line breaks."""
        place, benchmarks = -1, self.content["benchmarks"]
        for benchmark in benchmarks[: index + 1]:
            fullname = benchmark.get("fullname") if isinstance(benchmark, dict) else None
            if not isinstance(fullname, str):
                return None
            found = re.compile(f'"fullname": ?{re.escape(json.dumps(fullname))}').search(self.text, place + 1)
            if found is None:
                return None
            place = found.start()
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
        unusable: dict[str, str] = {}
        results = tuple(self._results(unusable, ours=ours, stored=accepted is not None))
        if unusable and not results:
            name, why = next(iter(unusable.items()))
            raise self.error(f"{name}: {why}")
        fingerprint = isinstance(machine.get("hard"), dict) and isinstance(machine.get("soft"), dict)
        stated, told = text_of(machine.get("machine_id")), machine["hard"] if fingerprint else {}
        machine_id, hard = without_memory(stated, told)
        soft = {key: told[key] for key in told.keys() - hard.keys()} | (machine["soft"] if fingerprint else {})
        return Run(
            path=self.path,
            results=results,
            unusable=unusable,
            ours=ours,
            machine_id=machine_id,
            filed_as=stated,
            machine_hard=hard,
            machine_soft=soft if fingerprint else _foreign_machine(machine),
            commit=None if commit.get("id") in ("unknown", "unversioned") else text_of(commit.get("id")),
            commit_error=text_of(commit.get("error")),
            dirty=commit.get("dirty") is True,
            datetime=moment_of(self.content.get("datetime")),
            packages=_packages(self.section("environment")),
            altered=_altered(self.section("environment")),
            requires={
                name: texts_of(words["requires"])
                for name, words in mapping(self.section("environment").get("packages")).items()
                if isinstance(words, dict) and "requires" in words
            },
            preset=text_of(words.get("preset")),
            model=next((result.model for result in results if result.model), text_of(words.get("model"))),
            inputs=text_of(words.get("inputs")),
            backends={name: card for name, card in mapping(words.get("backends")).items() if isinstance(card, dict)},
            options=texts_of(words.get("options")),
            arguments=text_of(words.get("arguments")),
            speed_guards=words.get("speed_guards") is not False,
            partial=words.get("partial") is True,
            # Older runs call it by the other name.
            not_passed={
                key: how
                for key, how in mapping(words.get("not_passed") or words.get("not_measured")).items()
                if isinstance(how, dict)
            },
            not_reached=texts_of(words.get("not_reached")),
            left_out=_left_out(words.get("plan")),
            shard=mapping(words.get("shard")),
            parts=tuple(map(mapping, words.get("parts") or ())),
            missing_parts=tuple(words.get("missing_parts") or ()),
            bridges=mapping(words.get("bridges")),
            skipped=_skipped(words.get("skipped")),
            judgements=_judgements(mapping(words.get("verdicts"))),
            missing={name: str(how) for name, how in mapping(mapping(words.get("verdicts")).get("missing")).items()},
            judged_against=texts_of(mapping(words.get("verdicts")).get("baseline")),
            exit_status=words["exit_status"] if isinstance(words.get("exit_status"), int) else 0,
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
            whole=words["whole"] is True,
            **{key: str(words[key]) for key in ("reason", "accepted", "commit", "run")},
        )

    def _restore(self) -> str:
        return f"restore it: git checkout -- {typed(self.path)}"

    def _results(self, unusable: dict[str, str], *, ours: bool, stored: bool) -> Iterable[Result]:
        """What can be judged. In a file of another suite the others are put into `unusable`; in ours they are an error."""
        seen: dict[str, int] = {}
        for index, benchmark in enumerate(self.content["benchmarks"]):
            try:
                result = benchmark_result(benchmark, ours=ours, stored=stored)
                if result.key in seen:
                    raise Unusable(f"it is there twice, first as number {seen[result.key] + 1}")
            except Unusable as error:
                named = benchmark.get("fullname") if isinstance(benchmark, dict) else None
                where = named if isinstance(named, str) else f"benchmarks[{index}]"
                if not ours:
                    unusable[where] = str(error)
                    continue
                raise self.error(f"{where}: {error}", self.line_of(index)) from None
            seen[result.key] = index
            self.usable.append(benchmark)
            yield result


def _foreign_machine(machine: Mapping[str, Any]) -> dict[str, Any]:
    """What keeps still in pytest-benchmark's machine_info, in the fingerprint's words; its hz_actual never does."""
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


def _altered(environment: Mapping[str, Any]) -> dict[str, str] | None:
    if not isinstance(environment.get("altered"), dict):
        return None
    return {path: how for path, how in environment["altered"].items() if isinstance(how, str)}


def _left_out(plan: object) -> dict[str, float]:
    left_out = mapping(mapping(plan).get("left_out"))
    return {name: float(price) for name, price in left_out.items() if isinstance(price, int | float)}


def _skipped(groups: object) -> dict[str, str]:
    """Reason by node id, of the groups that session.py writes."""
    found = {}
    for group in map(mapping, groups if isinstance(groups, list) else []):
        found.update(dict.fromkeys(texts_of(group.get("benchmarks")), text_of(group.get("reason")) or "no reason given"))
    return found


def _judgements(words: Mapping[str, Any]) -> dict[str, Judgement]:
    """Those that this checkout understands: they are words of a session, and the numbers are in the file as well."""
    judgements = {}
    for nodeid, judgement in mapping(words.get("judgements")).items():
        with contextlib.suppress(TypeError, ValueError):
            judgements[nodeid] = Judgement.from_dict(mapping(judgement))
    return judgements
