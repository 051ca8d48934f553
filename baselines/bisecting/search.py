"""One search along a path of states: what to compare next, when it is enough, and what came of it.

It measures nothing and knows no packages: `update` takes a launch pair, `next_comparison` says which one would tell most for
its time. So a search can be replayed on recorded launch pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from baselines.bisecting.posterior import Gap, Observation, Posterior, expected_information, posterior_of
from baselines.judging.difference import Difference
from baselines.judging.launch_pairs import LaunchPair, fit
from baselines.judging.looks import Look, looks_of
from baselines.judging.policy import DuetPolicy

SURE: Final = 0.95
"""An answer is as probable as this, or it is none."""
CONFIRMING: Final = 8
"""Launch pairs of the two neighbours of an answer, side by side, and of the first and the last state: the answer does not
rest on the search's model alone, and another change would show as what is left over."""
MOST_CONFIRMING: Final = 4 * CONFIRMING
"""Neighbours that cannot be told apart with so many are no answer."""
_COUNTS: Final = looks_of(CONFIRMING, MOST_CONFIRMING)
LOOKS: Final = tuple(zip(Look.all(len(_COUNTS)), _COUNTS, strict=True))
"""After how many launch pairs neighbours are told apart or not, 8, 16 and 32; the looks share the level."""
LEFT_OVER: Final = 0.005
"""Standard error of the whole less the changes that were found, from which on nothing is left to hide in it."""
MOST_PAIRS: Final = 240
"""Of a search. Launch pairs that have said nothing by then are beyond what a night has."""
_LIKELY_GAPS: Final = 4
"""So many of the likeliest gaps have their neighbours among what may be compared next."""

Cost = Callable[[int, int], float]
"""Seconds that a launch pair of two states is expected to take, with what has to be built for it."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Which launch pair to measure next."""

    older: int
    newer: int
    newer_first: bool


@dataclass(frozen=True, kw_only=True)
class Change:
    """A place where something changed, and how much: neighbours side by side, nothing of the model in it."""

    older: int
    newer: int
    difference: Difference
    launches: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a search came to."""

    changes: tuple[Change, ...] | None
    """None: undecided. Empty: nothing to find."""
    probability: float
    """Of the most probable hypothesis."""
    whole: Difference | None
    """First and last state, side by side; None where that was not compared often enough."""
    whole_launches: int
    launches: int
    """In all."""


def alike(older: int, newer: int) -> float:  # noqa: ARG001 - it takes what a cost takes
    """The cost where every launch pair takes the same time."""
    return 1.0


class Search:
    """A search along states 0 to n."""

    def __init__(self, weights: Sequence[float]) -> None:
        """Args: `weights`, how likely a change is in each step beside the others; there is one state more than steps.

        Raises:
            ValueError: there is no step, or a weight is not above 0.
        """
        if not weights or min(weights) <= 0:
            raise ValueError(f"weights of steps: {list(weights)}")
        self.weights = tuple(weights)
        self.observations: list[Observation] = []
        self.skipped: set[int] = set()
        self._posterior: Posterior | None = None

    @property
    def last(self) -> int:
        """The last state."""
        return len(self.weights)

    @property
    def gaps(self) -> list[Gap]:
        """Neighbours among the states that can be measured."""
        states = [state for state in range(self.last + 1) if state not in self.skipped]
        return [
            Gap(older=older, newer=newer, weight=sum(self.weights[older:newer]))
            for older, newer in itertools.pairwise(states)
        ]

    @property
    def posterior(self) -> Posterior:
        """What the launch pairs so far say."""
        if self._posterior is None:
            of_these = [one for one in self.observations if not {one.older, one.newer} & self.skipped]
            self._posterior = posterior_of(self.gaps, of_these)
        return self._posterior

    def update(self, observation: Observation) -> None:
        """Takes a launch pair.

        Raises:
            ValueError: it is not of two states of this path, in their order.
        """
        if not 0 <= observation.older < observation.newer <= self.last:
            raise ValueError(f"states {observation.older} and {observation.newer} of 0 to {self.last}")
        self.observations.append(observation)
        self._posterior = None

    def skip(self, state: int) -> None:
        """Leaves out a state that cannot be measured.

        Raises:
            ValueError: it is the first or the last, between which the search is.
        """
        if not 0 < state < self.last:
            raise ValueError(f"state {state} of 0 to {self.last} cannot be left out")
        self.skipped.add(state)
        self._posterior = None

    def next_comparison(self, cost: Cost = alike) -> Comparison | None:
        """The launch pair to measure next; None when the search is over."""
        if len(self.observations) >= MOST_PAIRS:
            return None
        posterior = self.posterior
        if posterior.probabilities[posterior.best] >= SURE:
            waiting = self._to_confirm(posterior)
            if not waiting:
                return None
            kind = min(waiting, key=lambda one: len(self._launches(*one)))
            return None if len(self._launches(*kind)) >= MOST_CONFIRMING else self._ordered(*kind)
        return self._most_telling(posterior, cost)

    def answer(self) -> Answer:
        """What the launch pairs so far come to."""
        posterior = self.posterior
        best = posterior.best
        probability, launches = float(posterior.probabilities[best]), len(self.observations)
        whole, whole_launches = self.difference(0, self.last), len(self._launches(0, self.last))
        if probability < SURE or not self._is_confirmed(posterior):
            changes = None
        else:
            changes = tuple(self._change(posterior.gaps[place]) for place in posterior.changes[best])
        return Answer(
            changes=changes, probability=probability, whole=whole, whole_launches=whole_launches, launches=launches
        )

    def difference(self, older: int, newer: int) -> Difference | None:
        """What the launch pairs of two states alone say, as those of any duet; None where they are too few."""
        return self._difference(self._launches(older, newer))

    def _difference(self, launches: list[LaunchPair]) -> Difference | None:
        found, policy = fit(launches), DuetPolicy()
        if found is None or len(launches) < policy.least_launches:
            return None
        error = (max(found.variance, policy.smallest_sd**2) * found.share) ** 0.5
        return Difference(estimate=found.estimate, standard_error=error, degrees_of_freedom=found.degrees_of_freedom)

    def likely_range(self) -> tuple[int, int]:
        """The shortest stretch of states in which a change lies as surely as SURE, if there is one."""
        posterior = self.posterior
        shares = posterior.by_gap
        wanted = SURE * sum(shares)
        stretches = [
            (stop - start, -sum(shares[start:stop]), start, stop)
            for start in range(len(shares))
            for stop in range(start + 1, len(shares) + 1)
            if sum(shares[start:stop]) >= wanted
        ]
        _, _, start, stop = min(stretches)
        return posterior.gaps[start].older, posterior.gaps[stop - 1].newer

    def bits_left(self) -> float:
        """The entropy of what is not known yet, in nats: what further launch pairs have to say."""
        shares = self.posterior.probabilities
        return float(-(shares * np.log(np.maximum(shares, 1e-300))).sum())

    def _change(self, gap: Gap) -> Change:
        difference = self.difference(gap.older, gap.newer)
        assert difference is not None  # noqa: S101 - it is confirmed
        launches = len(self._launches(gap.older, gap.newer))
        return Change(older=gap.older, newer=gap.newer, difference=difference, launches=launches)

    def _launches(self, older: int, newer: int) -> list[LaunchPair]:
        return [
            LaunchPair(log_ratio=one.log_ratio, measured_first=one.newer_first)
            for one in self.observations
            if (one.older, one.newer) == (older, newer)
        ]

    def _kinds(self, posterior: Posterior) -> list[tuple[int, int]]:
        """The states that have to be side by side for the likeliest answer: each change's neighbours, and the ends."""
        gaps = [posterior.gaps[place] for place in posterior.changes[posterior.best]]
        return list(dict.fromkeys([*((gap.older, gap.newer) for gap in gaps), (0, self.last)]))

    def _to_confirm(self, posterior: Posterior) -> list[tuple[int, int]]:
        """Those of them that were not compared often enough."""
        kinds, changes = self._kinds(posterior), len(posterior.changes[posterior.best])
        waiting = [kind for place, kind in enumerate(kinds) if not self._is_told(*kind, apart=place < changes)]
        if waiting or len(kinds) == 1:
            return waiting
        errors = [found.standard_error for kind in kinds if (found := self.difference(*kind)) is not None]
        precise = sum(error**2 for error in errors) ** 0.5 <= LEFT_OVER
        return [] if precise else [kind for kind in kinds if len(self._launches(*kind)) < MOST_CONFIRMING]

    def _is_confirmed(self, posterior: Posterior) -> bool:
        kinds, changes = self._kinds(posterior), len(posterior.changes[posterior.best])
        return all(self._is_told(*kind, apart=place < changes) for place, kind in enumerate(kinds))

    def _is_told(self, older: int, newer: int, *, apart: bool) -> bool:
        """Whether two states were compared often enough, and are told apart where they have to be."""
        found = self.difference(older, newer)
        if found is None or len(self._launches(older, newer)) < CONFIRMING:
            return False
        return not apart or any(self._is_apart(older, newer, look, count) for look, count in LOOKS)

    def _is_apart(self, older: int, newer: int, look: Look, count: int) -> bool:
        """Whether the first so many launch pairs told two states apart, at the level of that look."""
        launches = self._launches(older, newer)[:count]
        found = self._difference(launches)
        return len(launches) == count and found is not None and abs(found.estimate) > found.reach((1 - SURE) * look.share)

    def _ordered(self, older: int, newer: int) -> Comparison:
        """The comparison with the order that it had less often."""
        launches = self._launches(older, newer)
        firsts = sum(one.measured_first for one in launches)
        turn = len(self.observations) % 2 == 0 if 2 * firsts == len(launches) else 2 * firsts < len(launches)
        return Comparison(older=older, newer=newer, newer_first=turn)

    def _most_telling(self, posterior: Posterior, cost: Cost) -> Comparison:
        states = [posterior.gaps[0].older, *(gap.newer for gap in posterior.gaps)]
        shares = posterior.by_gap
        likely = sorted(range(len(shares)), key=lambda place: -shares[place])[:_LIKELY_GAPS]
        kinds = {(state, self.last) for state in states[:-1]} | {(0, state) for state in states[1:]}
        kinds |= {(posterior.gaps[place].older, posterior.gaps[place].newer) for place in likely}
        possible = [self._ordered(*kind) for kind in sorted(kinds)]
        asked = [(one.older, one.newer, 1.0 if one.newer_first else -1.0) for one in possible]
        worth = expected_information(posterior, asked)
        rates = [nats / cost(one.older, one.newer) for nats, one in zip(worth, possible, strict=True)]
        return possible[int(np.argmax(rates))]
