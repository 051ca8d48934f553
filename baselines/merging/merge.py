"""Makes one run of parts: benchmarks side by side, what all parts measured with the launches of all. Corrects nothing."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from baselines.comparing.confirmation_file import SUITE, Finding, as_a_whole, read_findings, write_findings
from baselines.comparing.differences import identity_differences
from baselines.files.atomic import TEMPORARY, sync_folder
from baselines.files.result import Result, judged_values
from baselines.files.run_folder import RUN_NAME, RunFileError, write_run
from baselines.judging.judgement import Evidence, Judgement, Verdict
from baselines.judging.spread import run_value, sum_of_squares
from baselines.merging.part import Part

_PLACES: Final = ("configuration.cpus", "configuration.memory_nodes")
"""Which of its CPUs a machine gave to a bridge is the machine's: the only thing in which the parts of one may differ."""


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """A benchmark that several parts measured."""

    backend: str
    values: Mapping[int, float]
    """By part, the logarithm of what it measured; larger is slower."""

    @property
    def squares(self) -> float:
        """About the mean over the parts."""
        return sum_of_squares(list(self.values.values()))

    @property
    def sd(self) -> float:
        """Between the parts."""
        return math.sqrt(self.squares / (len(self.values) - 1))


def merged_content(parts: Sequence[Part]) -> dict[str, Any]:
    """The content of run.json of the whole.

    Raises:
        RunFileError: a bridge is another benchmark in another part.
    """
    first, measured = parts[0], measured_in(parts)
    runs = [part.content["run"] for part in parts]
    present = {part.index for part in parts}
    missing = [index for index in range(1, first.of + 1) if index not in present]
    said = _united(run.get("verdicts", {}).get("missing") for run in runs)
    words = {
        **{key: value for key, value in runs[0].items() if key not in ("shard", "verdicts", "not_measured")},
        "backends": _united(run.get("backends") for run in runs),
        "arguments": without_shard(str(runs[0].get("arguments") or "")),
        "partial": bool(missing) or any(part.run.partial for part in parts),
        "exit_status": max(part.run.exit_status for part in parts),
        "not_passed": _united(part.run.not_passed for part in parts),
        "not_reached": [name for part in parts for name in part.run.not_reached if name not in measured],
        "skipped": list({json.dumps(one): one for run in runs for one in run.get("skipped", [])}.values()),
        "plan": merged_plan(parts),
        "parts": [
            {
                "index": part.index,
                "of": part.of,
                "run": part.run.name,
                "datetime": part.content.get("datetime"),
                "machine": part.content["machine_info"].get("soft"),
            }
            for part in parts
        ],
        "missing_parts": missing,
        "bridges": bridges_words(bridges_of(measured)),
        **({"verdicts": {"missing": said}} if said else {}),
    }
    return {
        **first.content,
        "datetime": earliest(parts).content["datetime"],
        "run": words,
        "benchmarks": [merged_benchmark(held) for held in measured.values()],
    }


Held = Mapping[int, tuple[Result, Mapping[str, Any]]]
"""A benchmark by part: as a value, and as it is in the file."""


def measured_in(parts: Sequence[Part]) -> dict[str, Held]:
    """By node id, which parts measured a benchmark, in the order of the parts."""
    measured: dict[str, dict[int, tuple[Result, Mapping[str, Any]]]] = {}
    for part in parts:
        for result, record in zip(part.run.results, part.content["benchmarks"], strict=True):
            held = measured.setdefault(result.fullname, {})
            for index, (other, _) in held.items():
                differ = [one for one in identity_differences(other, result) if not one.startswith(_PLACES)]
                if differ:
                    raise RunFileError(
                        f"{result.fullname} is another benchmark in part {part.index} than in part {index}: "
                        f"{'; '.join(differ)}; parts are measured by one command, the same but for --shard; measure again, "
                        f"{part.again}"
                    )
            held[part.index] = (result, record)
    return dict(measured)


def merged_benchmark(held: Held) -> dict[str, Any]:
    """A benchmark with its part; a bridge has the words of its first part, and the launches of all."""
    (first, (_, record)), *_ = held.items()
    extra = {**record["extra_info"], "part": first}
    if len(held) > 1:
        extra["launches"] = [
            {**launch, "part": part}
            for part, (result, one) in held.items()
            for launch in one["extra_info"].get("launches")
            or [{"median_s": result.median_s, "throughput_per_s": result.throughput_per_s}]
        ]
    return {**record, "extra_info": extra}


def merged_plan(parts: Sequence[Part]) -> dict[str, Any]:
    """`plan`: a budget is that of each part, times are sums; what one part left out and another measured is not left out."""
    plans = [part.content["run"].get("plan", {}) for part in parts]
    measured = {result.fullname for part in parts for result in part.run.results}
    left_out = _united(plan.get("left_out") for plan in plans)
    return {
        **plans[0],
        **{key: sum(plan.get(key) or 0.0 for plan in plans) for key in ("predicted_s", "spent_s")},
        "benchmarks": _united(plan.get("benchmarks") for plan in plans),
        "left_out": {name: price for name, price in left_out.items() if name not in measured},
    }


def bridges_of(measured: Mapping[str, Held]) -> dict[str, Bridge]:
    """By node id, what more than one part measured."""
    return {
        name: Bridge(
            backend=str(next(iter(held.values()))[0].configuration.get("backend")),
            values={part: run_value(judged_values(result)) for part, (result, _) in held.items()},
        )
        for name, held in measured.items()
        if len(held) > 1
    }


def bridges_words(bridges: Mapping[str, Bridge]) -> dict[str, Any]:
    """`bridges` of run.json: the standard deviation of the logarithms between parts, of each and pooled over all."""
    freedom = sum(len(one.values) - 1 for one in bridges.values())
    squares = math.fsum(one.squares for one in bridges.values())
    return {
        "benchmarks": {
            name: {"backend": one.backend, "parts": sorted(one.values), "sd": one.sd} for name, one in bridges.items()
        },
        "pooled_sd": math.sqrt(squares / freedom) if freedom else None,
        "degrees_of_freedom": freedom,
    }


def merged_findings(parts: Sequence[Part]) -> Iterator[Finding]:
    """What was found side by side, by the parts themselves or afterwards; slower in any part is slower.

    A bridge is cleared where every part that asked cleared it, the suite or a backend as a whole where every part did.
    """
    found: dict[str, list[tuple[int, Finding]]] = {}
    for part in parts:
        own = {name: finding_in(name, one) for name, one in part.run.judgements.items() if one.evidence is Evidence.DUET}
        for name, finding in {**own, **read_findings(part.run)}.items():
            found.setdefault(name, []).append((part.index, finding))
    for name, several in found.items():
        reason = "; ".join(f"part {index}: {finding.reason}" for index, finding in several)
        asked = len(parts) if name == SUITE or name.endswith(as_a_whole("")) else len(several)
        yield Finding(
            fullname=name,
            cleared=len(several) == asked and all(finding.cleared for _, finding in several),
            reason=reason,
            slower=any(finding.slower for _, finding in several),
        )


def finding_in(name: str, judgement: Judgement) -> Finding:
    """What a part said of a benchmark that it compared side by side itself."""
    cleared = judgement.verdict in (Verdict.PASSED, Verdict.IMPROVED)
    return Finding(fullname=name, cleared=cleared, reason=judgement.reason, slower=judgement.verdict is Verdict.REGRESSED)


def write_merged(parts: Sequence[Part], runs: Path) -> Path:
    """Makes the run's folder, whole or not at all, and returns the path of its run.json; RunFileError where it cannot."""
    content, findings = merged_content(parts), list(merged_findings(parts))
    moment = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"{moment}_{(parts[0].run.commit or 'unknown')[:12]}"
    temporary = runs / f"{TEMPORARY}{os.getpid()}-{name}"
    try:
        temporary.mkdir(parents=True)
        try:
            write_run(temporary, content)
            if findings:
                write_findings(replace(earliest(parts).run, path=temporary / RUN_NAME), findings)
            folder = next(
                one for one in (runs / f"{name}{end}" for end in ("", *(f"_{n}" for n in range(2, 99)))) if not one.exists()
            )
            temporary.rename(folder)
            sync_folder(runs)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise RunFileError(
            f"{runs}: the merged run cannot be written: {error.strerror}; make room, or name another: --runs DIR"
        ) from None
    return folder / RUN_NAME


def earliest(parts: Sequence[Part]) -> Part:
    """The one that began first: when that was is when the whole began."""
    return min(parts, key=lambda part: (part.run.datetime is None, part.run.datetime))


def without_shard(arguments: str) -> str:
    """A command line that measures the whole."""
    words, kept = iter(shlex.split(arguments)), []
    for word in words:
        if word == "--shard":
            next(words, None)
        elif not word.startswith("--shard="):
            kept.append(word)
    return shlex.join(kept)


def _united(mappings: Any) -> dict[str, Any]:
    """Of several objects, perhaps absent, one; what is in several is that of the first."""
    united: dict[str, Any] = {}
    for one in mappings:
        united = {**(one or {}), **united}
    return united
