"""The rule of a duet: what it never does to equal environments, what it finds, and when it says that it cannot tell."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from baselines.comparing.duet_message import DuetRow, certificate, changes_of, duet_regression_lines, versions_text
from baselines.judging.duet import difference, judge_duet, power, red_together
from baselines.judging.judgement import Judgement, Verdict
from baselines.judging.launch_pairs import Duet, Fit, LaunchPair, fit, overall
from baselines.judging.looks import Look, looks_of
from baselines.judging.moderation import Moderated, squeeze
from baselines.judging.policy import DuetPolicy
from fixtures.asked.settings import DUET_LAUNCHES, DUET_MOST

POLICY = DuetPolicy()


def chance(seed: int) -> random.Random:
    """The same numbers in every run."""
    return random.Random(seed)  # noqa: S311 - no secrets


def pairs(log_ratios: Sequence[float], order_effect: float = 0.0) -> tuple[LaunchPair, ...]:
    """Launch pairs that swap the order, the side that is loaded first slower by an effect of its own."""
    return tuple(
        LaunchPair(log_ratio=value + (order_effect if number % 2 == 0 else -order_effect), measured_first=number % 2 == 0)
        for number, value in enumerate(log_ratios)
    )


def noisy(rng: random.Random, ratio: float, sd: float, launches: int = 10, **words: Any) -> Duet:
    """A benchmark whose launch pairs scatter by `sd` around a true ratio."""
    log_ratios = [math.log(ratio) + rng.gauss(0, sd) for _ in range(launches)]
    return Duet(**{"backend": "a", "configuration": "a 1", "launches": pairs(log_ratios, 0.01), **words})


def session(rng: random.Random, *, ratio: float, sd: float, shared: float, looks: Sequence[int]) -> list[Judgement]:
    """A run of four configurations of two backends, the second twice as noisy, with five problem sizes each.

    Problem sizes share a part of the noise of their launch pairs, and the side that is loaded first is slower. Each is
    judged as in pytest: with what has been measured until then, and what is undecided is measured further.
    """
    duets: dict[str, Duet] = {}
    judgements = []
    in_common, alone = math.sqrt(shared), math.sqrt(1 - shared)
    for configuration in range(4):
        common = [in_common * rng.gauss(0, 1) for _ in range(looks[-1])]
        scale = sd * (1 + configuration % 2)
        # within a backend, too, some benchmarks are noisier than others
        spreads = {f"{configuration} {size}": scale * rng.choice((0.7, 1.0, 1.4)) for size in range(5)}

        def measured(name: str, launches: int, spreads: Any = spreads, common: Any = common) -> Duet:
            """With so many launch pairs, an even number: those that are there, and new ones."""
            known = duets[name].launches if name in duets else ()
            noise = [one + alone * rng.gauss(0, 1) for one in common[len(known) : launches]]
            return duet_of(name, known + pairs([math.log(ratio) + spreads[name] * one for one in noise], 0.01))

        for name in spreads:
            duets[name] = measured(name, looks[0])
        for name in spreads:
            for launches, look in zip(looks, Look.all(len(looks)), strict=True):
                duets[name] = measured(name, launches)
                judgement = judge_duet(name, duets, POLICY, comparisons=20, look=look)
                if judgement.verdict is not Verdict.INCONCLUSIVE:
                    break
            judgements.append(judgement)
    return judgements


def duet_of(name: str, launches: tuple[LaunchPair, ...]) -> Duet:
    """A benchmark of such a run, by the number of its configuration and of its problem size."""
    configuration = name.partition(" ")[0]
    return Duet(backend=str(int(configuration) % 2), configuration=configuration, launches=launches)


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is computed of the same launch pairs is computed once; judging a benchmark asks it of its whole backend again."""
    fits: dict[tuple[int, int], tuple[Sequence[LaunchPair], Fit | None]] = {}

    def fit_once(launches: Sequence[LaunchPair]) -> Fit | None:
        key = id(launches[0]), len(launches)  # a launch pair is part of one benchmark, and these are its first ones
        if key not in fits:
            fits[key] = launches, fit(launches)  # kept, so that no other will have its id
        return fits[key][1]

    priors: dict[tuple[float, ...], Moderated] = {}

    def squeeze_once(variances: Sequence[float], degrees_of_freedom: Sequence[float]) -> Moderated:
        key = (*variances, *degrees_of_freedom)
        if key not in priors:
            priors[key] = squeeze(variances, degrees_of_freedom)
        return priors[key]

    monkeypatch.setattr("baselines.judging.duet.fit", fit_once)
    monkeypatch.setattr("baselines.judging.moderation.squeeze", squeeze_once)
    yield
    assert fits
    assert priors


@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize("shared", [0.0, 0.5, 0.95], ids=["own", "half", "common"])
@pytest.mark.parametrize("ratio", [1.0, 1 + POLICY.harmless], ids=["equal", "harmless"])
@pytest.mark.parametrize("looks", [(4,), (10,), (4, 8, 16), (10, 20, 40)], ids=str)
def test_equal_environments_are_never_red(ratio: float, shared: float, looks: tuple[int, ...]) -> None:
    """Of simulated runs of equal environments hardly any has a red benchmark, whatever problem sizes share of the noise.

    With a chance of one in a hundred, 100 runs have more than 4 red ones in less than one case of a hundred.
    """
    rng = chance(7)
    runs = [session(rng, ratio=ratio, sd=0.012, shared=shared, looks=looks) for _ in range(100)]
    assert sum(any(one.verdict is Verdict.REGRESSED for one in run) for run in runs) <= 4


LOOKS = looks_of(DUET_LAUNCHES, DUET_MOST * DUET_LAUNCHES)


def judged(
    rng: random.Random, *, ratio: float, sd: float, policy: DuetPolicy = POLICY, comparisons: int = 20
) -> tuple[Judgement, int]:
    """A benchmark judged by its own launch pairs alone for as long as it is inconclusive; how many that took."""
    log_ratios: list[float] = []
    for launches, look in zip(LOOKS, Look.all(len(LOOKS)), strict=True):
        log_ratios += [math.log(ratio) + rng.gauss(0, sd) for _ in range(launches - len(log_ratios))]
        duet = Duet(backend="a", configuration="a", launches=pairs(log_ratios, 0.01))
        judgement = judge_duet("a", {"a": duet}, policy, comparisons=comparisons, look=look)
        if judgement.verdict is not Verdict.INCONCLUSIVE:
            break
    return judgement, len(log_ratios)


def test_three_per_cent_is_found() -> None:
    """Where launch pairs spread by 1 % or 2 %, +3 % is found in 95 of 100 benchmarks and more, the quieter ones sooner."""
    rng = chance(8)
    took = {}
    for sd in (0.01, 0.02):
        results = [judged(rng, ratio=1.03, sd=sd) for _ in range(400)]
        assert sum(one.verdict is Verdict.REGRESSED for one, _ in results) >= 0.95 * 400
        took[sd] = sum(launches for _, launches in results) / 400
    assert took[0.01] < 14
    assert took[0.01] < took[0.02] < 30


def test_who_looks_several_times_errs_no_more_often() -> None:
    """Three looks that share a level turn the harmless red no more often than one look with all of it may.

    Of 2000 benchmarks at the level of 5 % 100 are expected at most, and more than 130 in one case of a thousand; looks that
    did not share would turn some 180 red. Slower by `min_effect` itself, no more than `pass_level` of them pass.
    """
    rng = chance(9)
    loose = DuetPolicy(level=0.05, min_effect=0.005)
    harmless = [judged(rng, ratio=1.005, sd=0.02, policy=loose, comparisons=1)[0].verdict for _ in range(2000)]
    assert 20 < sum(one is Verdict.REGRESSED for one in harmless) <= 130
    slower = [judged(rng, ratio=1 + POLICY.min_effect, sd=0.02)[0].verdict for _ in range(1000)]
    assert sum(one is Verdict.PASSED for one in slower) <= 1000 * POLICY.pass_level + 20


def test_looks() -> None:
    """Launch pairs double until there are most; the shares of the looks make up the whole, and a single one has it all."""
    assert LOOKS == (10, 20, 40)
    assert looks_of(10, 10) == (10,)
    assert looks_of(10, 18) == (10, 18)
    assert looks_of(4, 14) == (4, 8, 14)
    for wrong in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match=f"look {wrong[0]} of {wrong[1]}"):
            Look(number=wrong[0], of=wrong[1])
    for count in (1, 2, 3, 4):
        assert sum(look.share for look in Look.all(count)) == 1
    assert [look.share for look in Look.all(3)] == [0.5, 0.25, 0.25]


def test_a_later_look_asks_for_more() -> None:
    """The same launch pairs are red at the only look and not at one of several; the reason says which it was."""
    duet = {"a": noisy(chance(15), 1.03, 0.0095)}
    only = judge_duet("a", duet, POLICY, comparisons=20)
    second = judge_duet("a", duet, POLICY, comparisons=20, look=Look(number=2, of=3))
    assert only.p_value is not None
    assert second.p_value == pytest.approx(4 * only.p_value)
    assert second.limit is not None
    assert only.limit is not None
    assert second.limit > only.limit
    assert second.reason.endswith("; look 2 of 3")
    assert "look" not in only.reason
    assert second.interval is not None
    assert only.interval is not None
    assert second.interval[0] < only.interval[0] < only.interval[1] < second.interval[1]


def test_the_default_number_of_launch_pairs_is_what_the_power_needs() -> None:
    """The first look finds +3 % in nine cases of ten at a spread of 1 % among 20, with no help from others."""
    chances = [
        power(POLICY, effect=0.03, sd=0.01, launches=number, comparisons=20, look=Look(number=1, of=3)) for number in (8, 10)
    ]
    assert chances[0] < 0.85 < 0.9 < chances[1]
    assert DUET_LAUNCHES == 10


def test_the_order_in_which_sides_are_loaded_is_no_difference() -> None:
    """An effect of the order moves neither the estimate nor its spread, and is estimated by itself."""
    plain, swapped = fit(pairs([0.01, 0.02, 0.03, 0.01])), fit(pairs([0.01, 0.02, 0.03, 0.01], 0.02))
    assert plain is not None
    assert swapped is not None
    assert swapped.estimate == pytest.approx(plain.estimate)
    assert swapped.variance == pytest.approx(plain.variance)
    assert swapped.order_effect - plain.order_effect == pytest.approx(0.02)


def test_a_mirrored_duet_has_the_mirrored_verdict() -> None:
    """Measured and reference exchanged: regressed becomes improved with the inverse ratio."""
    rng = chance(9)
    slower = noisy(rng, 1.05, 0.008)
    mirrored = tuple(LaunchPair(log_ratio=-one.log_ratio, measured_first=not one.measured_first) for one in slower.launches)
    there = judge_duet("a", {"a": slower}, POLICY, comparisons=1)
    back = judge_duet("a", {"a": Duet(backend="a", configuration="a 1", launches=mirrored)}, POLICY, comparisons=1)
    assert (there.verdict, back.verdict) == (Verdict.REGRESSED, Verdict.IMPROVED)
    assert there.ratio is not None
    assert back.ratio == pytest.approx(1 / there.ratio)


def test_a_small_difference_is_not_red_however_sure() -> None:
    """Below the least estimate that counts nothing is red; a marker moves it."""
    sure = {"a": Duet(backend="a", configuration="a 1", launches=pairs([0.0140, 0.0141, 0.0139, 0.0140] * 3))}
    assert judge_duet("a", sure, POLICY, comparisons=1).verdict is not Verdict.REGRESSED
    assert judge_duet("a", sure, POLICY, comparisons=1, min_effect=0.01).verdict is Verdict.REGRESSED
    rng = chance(10)
    clear = {"a": noisy(rng, 1.10, 0.01)}
    assert judge_duet("a", clear, POLICY, comparisons=1).verdict is Verdict.REGRESSED
    assert judge_duet("a", clear, POLICY, comparisons=1, min_effect=0.2).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    "launches",
    [pairs([0.3, 0.3, 0.3]), (), tuple(LaunchPair(log_ratio=0.3, measured_first=True) for _ in range(8))],
    ids=["three", "none", "one order"],
)
def test_too_few_launch_pairs_judge_nothing(launches: tuple[LaunchPair, ...]) -> None:
    """However slow it measured: without a spread there is no verdict, and it says what is missing."""
    judgement = judge_duet("a", {"a": Duet(backend="a", configuration="a", launches=launches)}, POLICY, comparisons=1)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "too few to know how far they spread: it takes 4, in both orders" in judgement.reason
    assert judgement.p_value is None


def test_problem_sizes_of_a_configuration_count_once() -> None:
    """Five problem sizes share their launch pairs and have the degrees of freedom of one; another configuration adds its."""
    rng = chance(11)
    one = {f"1 {size}": noisy(rng, 1.0, 0.01, configuration="1") for size in range(5)}
    two = {**one, "2 0": noisy(rng, 1.0, 0.01, configuration="2"), "b": noisy(rng, 1.0, 0.01, backend="b")}
    alone, beside = difference("1 0", one, POLICY), difference("1 0", two, POLICY)
    assert alone is not None
    assert beside is not None
    assert alone.degrees_of_freedom <= 8
    assert 8 < beside.degrees_of_freedom <= 16


def test_a_wild_launch_pair_makes_it_inconclusive() -> None:
    """One launch pair at twice the time turns nothing red: it widens the spread by which it is judged."""
    judgement = judge_duet(
        "a",
        {"a": Duet(backend="a", configuration="a", launches=pairs([0.0, 0.01, -0.01, 0.0, 0.7, 0.0]))},
        POLICY,
        comparisons=1,
    )
    assert judgement.verdict is Verdict.INCONCLUSIVE


def test_holm_at_the_end_turns_no_fewer_red() -> None:
    """What is just short of its share of the level turns red once all others are; never one below the least estimate."""

    def judged(p_value: float, verdict: Verdict) -> Judgement:
        return Judgement(verdict=verdict, reason="", p_value=p_value)

    judgements = {
        "a": judged(1e-6, Verdict.REGRESSED),
        "b": judged(0.009, Verdict.INCONCLUSIVE),
        "c": Judgement(verdict=Verdict.INCONCLUSIVE, reason=""),
    }
    assert red_together(judgements, POLICY, comparisons=2) == ["b"]
    assert red_together(judgements, POLICY, comparisons=3) == []


def test_the_overall_change_counts_launch_pairs_and_not_benchmarks() -> None:
    """Problem sizes that share all their noise make the interval no narrower; configurations of their own do."""
    rng = chance(12)
    one = noisy(rng, 1.03, 0.01, configuration="1")
    others = [noisy(rng, 1.03, 0.01, configuration=str(number)) for number in range(2, 6)]
    alone, copies, several = overall([one], POLICY), overall([one] * 5, POLICY), overall([one, *others], POLICY)
    assert alone is not None
    assert copies is not None
    assert several is not None
    assert copies.interval == pytest.approx(alone.interval)
    assert copies.benchmarks == several.benchmarks == 5
    assert several.interval[1] - several.interval[0] < 0.7 * (alone.interval[1] - alone.interval[0])
    assert several.interval[0] < 1.03 < several.interval[1]


def test_the_interval_holds_the_truth() -> None:
    """A 90 % interval of one benchmark misses in one case of ten, give or take chance (400 of them)."""
    rng = chance(13)
    missed = 0
    for _ in range(400):
        judgement = judge_duet("a", {"a": noisy(rng, 1.02, 0.02, launches=6)}, POLICY, comparisons=1)
        assert judgement.interval is not None
        missed += not judgement.interval[0] <= 1.02 <= judgement.interval[1]
    assert 24 <= missed <= 58


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_ratio_that_is_no_number_is_refused(value: float) -> None:
    """With the number of its launch pair."""
    with pytest.raises(ValueError, match="launch pair 2 of 2 has the log ratio"):
        Duet(backend="a", configuration="a", launches=pairs([0.0, value]))


def row(name: str, duet: Duet, **versions: str) -> DuetRow:
    """A judged benchmark, from onnxruntime 1 to onnxruntime 2."""
    return DuetRow(
        label=name,
        fullname=f"benchmarks/test_a.py::test_a[{name}]",
        duet=duet,
        judgement=judge_duet("a", {"a": duet}, POLICY, comparisons=2),
        reference_versions={"onnxruntime": "1.31.1"},
        versions=versions or {"onnxruntime": "1.32.0"},
    )


def test_the_words_of_a_duet() -> None:
    """Per change of versions one line with estimate, interval and counts; a red test says what, how sure, and what next."""
    rng = chance(14)
    slow, same = row("a", noisy(rng, 1.05, 0.005)), row("b", noisy(rng, 1.0, 0.005, configuration="b"))
    other = row("c", noisy(rng, 1.0, 0.005), torch="2.13.0")
    first, second = changes_of([slow, same, other])
    assert first.line.startswith("onnxruntime 1.31.1 -> 1.32.0: +2.")
    assert first.line.endswith("over 2 benchmarks, slower on 1 of 2")
    assert "onnxruntime 1.31.1 -> none, torch none -> 2.13.0: " in second.line
    assert same.line.startswith("PASSED b: ")
    options = ["--model", "M", "--backend-file=/their own/serving.py"]
    lines = duet_regression_lines(
        slow, measured_s=0.0105, reference_s=0.01, by_throughput=False, reference="P", options=options
    )
    assert lines[0].startswith("REGRESSED a: median 10.5 ms, reference 10.0 ms, +")
    assert "(red above +" in lines[0]
    assert lines[1] == "  versions  onnxruntime 1.31.1 -> 1.32.0"
    assert "one of 2 comparisons; 10 launch pairs" in lines[2]
    assert lines[3].endswith("--benchmark-only --model M '--backend-file=/their own/serving.py' --reference P")
    assert lines[4].endswith("--reference self")
    assert "0 of 1 benchmarks" in certificate([same])
    assert "do not trust its duets" in certificate([slow, same])


def test_documented_constants() -> None:
    """docs/duet.md lists every constant of the policy with its value, and no other; its power is what the formula gives."""
    text = (Path(__file__).parents[1] / "docs" / "duet.md").read_text()
    listed = {name: float(value) for name, value in re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", text, re.MULTILINE)}
    assert listed == {field.name: getattr(POLICY, field.name) for field in fields(DuetPolicy)}
    for sd in (0.01, 0.02, 0.03):
        chances = [
            power(POLICY, effect=0.03, sd=sd, launches=launches, comparisons=20, look=look)
            for launches, look in zip(LOOKS, Look.all(len(LOOKS)), strict=True)
        ]
        assert f"| {sd:.0%} | {' | '.join(f'{one:.0%}' for one in chances)} |" in text


def test_versions_in_words() -> None:
    """What differs; where nothing does, what both sides have."""
    assert versions_text({"torch": "1", "x": "2"}, {"torch": "1", "x": "3"}) == "x 2 -> 3"
    assert versions_text({"torch": "1"}, {"torch": "1"}) == "torch 1 on both sides"
    assert versions_text({}, {}) == "the same versions on both sides"
