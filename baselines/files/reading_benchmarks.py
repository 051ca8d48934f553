"""Reads one benchmark of a file of pytest-benchmark: its numbers checked, its identity, its launches."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Mapping
from typing import Any, Final

from baselines.files.reading_values import flag_of, is_number, mapping, number_of, text_of
from baselines.files.result import Launch, Result
from baselines.files.run_folder import RunFileError

_IDENTITY_TEXT: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

CPUS_BUSY: Final = "cpus_busy"
"""In `extra_info` of an accepted run, in place of what each instance's CPUs did."""
_ONE_VALUE: Final = 1e-9
"""Two readings of one number agree within this share; only a hand can make them differ by more."""


def result_of(record: Mapping[str, Any]) -> Result:
    """One benchmark of this suite, from its record in pytest-benchmark's form.

    Raises:
        RunFileError: it lacks what this suite always writes, or a number in it cannot be judged.
    """
    try:
        return benchmark_result(record, ours=True, stored=False)
    except Unusable as error:
        raise RunFileError(f"{record.get('fullname')}: {error}") from None


class Unusable(Exception):
    """A benchmark in a file cannot be used; the message says why."""


def benchmark_result(benchmark: object, *, ours: bool, stored: bool) -> Result:
    """One benchmark of a file.

    Args:
        benchmark: its JSON.
        ours: whether this suite wrote the file; the words that only this suite writes are then demanded.
        stored: whether it is the file of an accepted run, which keeps only some of the rounds.

    Raises:
        Unusable: it lacks something, or a number in it cannot be judged.
    """
    if not isinstance(benchmark, Mapping):
        raise Unusable("not an object")
    fullname, stats = benchmark.get("fullname"), benchmark.get("stats")
    if not isinstance(fullname, str) or not isinstance(stats, dict):
        raise Unusable("it has no fullname or no stats: pytest-benchmark did not write it")
    extra, identity = _words_and_identity(benchmark, ours=ours)
    rounds_s = _rounds(stats)
    median_s = _median(stats, rounds_s, checked=ours and not stored)
    instances = extra.get("instances", 1)
    if not isinstance(instances, int) or instances < 1:
        raise Unusable(f"extra_info.instances is {json.dumps(instances)}, not a positive integer")
    throughput_per_s = _positive(extra, "throughput_per_s", "extra_info") if "throughput_per_s" in extra else None
    if instances > 1 and throughput_per_s is None:
        raise Unusable(f"it ran {instances} instances and extra_info has no throughput_per_s, which is what is judged")
    marks = mapping(extra.get("baseline")) if stored else {}
    name = text_of(benchmark.get("name")) or fullname.rpartition("::")[2]
    return Result(
        fullname=fullname,
        name=name,
        id=text_of(benchmark.get("param")) or name,
        group=text_of(benchmark.get("group")),
        identity=identity,
        key=_key(fullname, identity),
        median_s=median_s,
        throughput_per_s=throughput_per_s,
        launches=_launches(extra, Launch(median_s=median_s, throughput_per_s=throughput_per_s), instances),
        instances=instances,
        rounds_s=rounds_s,
        configuration=mapping(extra.get("configuration")),
        problem_size=mapping(extra.get("problem_size")),
        model=text_of(mapping(extra.get("model")).get("name")),
        versions=mapping(extra.get("versions")),
        warmed_up=flag_of(mapping(extra.get("warm_up")).get("steady")),
        steal_share=number_of(extra.get("steal_share")),
        throttled_share=number_of(extra.get("throttled_share")),
        wait_share=number_of(extra.get("wait_share")),
        others_share=number_of(extra.get("others_share")),
        share_of_limit=number_of(mapping(extra.get("work")).get("share_of_limit")),
        strayed_threads=_strayed_threads(extra.get("per_instance")),
        anchor=marks.get("anchor") is True,
        accepted_as=text_of(marks.get("accepted_as")),
        cpus_busy=number_of(extra[CPUS_BUSY]) if CPUS_BUSY in extra else _cpus_busy(extra.get("per_instance")),
        duet=mapping(extra.get("duet")),
    )


def _cpus_busy(per_instance: object) -> float | None:
    """The CPU time of all instances over the wall time of each."""
    busy = 0.0
    for one in map(mapping, per_instance if isinstance(per_instance, list) else [{}]):
        cpu_time_s, wall_s = one.get("cpu_time_s"), one.get("wall_s")
        if not is_number(cpu_time_s) or not is_number(wall_s) or wall_s <= 0:
            return None
        busy += cpu_time_s / wall_s
    return busy


def _strayed_threads(per_instance: object) -> int:
    counts = [mapping(one).get("strayed_threads") for one in per_instance] if isinstance(per_instance, list) else []
    return sum(count for count in counts if isinstance(count, int))


def _words_and_identity(benchmark: Mapping[str, Any], *, ours: bool) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """`extra_info`, empty where another suite wrote it, and what must be equal for two results to be compared."""
    extra = mapping(benchmark.get("extra_info"))
    model, configuration = mapping(extra.get("model")), mapping(extra.get("configuration"))
    if "config_sha256" in model and configuration:
        identity = {"model.config_sha256": model["config_sha256"], "inputs": extra.get("inputs")}
        return extra, {**identity, "configuration": configuration}
    if ours:
        raise Unusable("extra_info has no model.config_sha256 or no configuration, which this suite always writes")
    return {}, _foreign_identity(benchmark)


def _rounds(stats: Mapping[str, Any]) -> tuple[float, ...]:
    """The rounds, where the file has them: pytest-benchmark leaves them out without --benchmark-save-data."""
    data = stats.get("data")
    if data is None:
        return ()
    if not isinstance(data, list) or not data:
        raise Unusable("stats.data is empty: it holds no round")
    if set(map(type, data)) == {float} and min(data) >= 0 and math.isfinite(sum(data)):
        return tuple(data)  # the ordinary case, fast: a baseline has a million rounds
    for number, value in enumerate(data):
        if not is_number(value) or value < 0:  # 0 is what a coarse clock says of a fast function
            raise Unusable(f"stats.data[{number}] is {json.dumps(value)}, not a duration in seconds")
    return tuple(map(float, data))


def _median(stats: Mapping[str, Any], rounds_s: tuple[float, ...], *, checked: bool) -> float:
    if "median" not in stats and rounds_s:
        return _positive({"median": statistics.median(rounds_s)}, "median", "stats.data: its")
    median_s = _positive(stats, "median", "stats")
    if checked and rounds_s and not math.isclose(median_s, statistics.median(rounds_s), rel_tol=_ONE_VALUE):
        raise Unusable(
            f"stats.median is {median_s!r} and the median of stats.data {statistics.median(rounds_s)!r}: edited by hand?"
        )
    return median_s


def _launches(extra: Mapping[str, Any], only: Launch, instances: int) -> tuple[Launch, ...]:
    """The launches of a benchmark; a file that speaks of none has the one."""
    words = extra.get("launches")
    if words is None:
        return (only,)
    if not isinstance(words, list) or not words or not all(isinstance(one, dict) for one in words):
        raise Unusable("extra_info.launches is no list of launches")
    launches = []
    for number, one in enumerate(words):
        where = f"extra_info.launches[{number}]"
        throughput = _positive(one, "throughput_per_s", where) if instances > 1 or "throughput_per_s" in one else None
        launches.append(Launch(median_s=_positive(one, "median_s", where), throughput_per_s=throughput))
    return tuple(launches)


def _positive(values: Mapping[str, Any], key: str, where: str) -> float:
    value = values.get(key)
    if not is_number(value) or value <= 0:
        raise Unusable(f"{where}.{key} is {json.dumps(value)}, not a positive number")
    return float(value)


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
