"""Plugin: the launches of a deployment one after the other, as before they were passes over the plan (studies/passes.py)."""

from __future__ import annotations

from collections.abc import Iterator

from fixtures.asked.plan import grouped
from fixtures.run.schedule import Schedule, Visit


def back_to_back(self: Schedule) -> Iterator[Visit]:
    """All launches of the benchmarks of a deployment, then those of the next one."""
    chosen = [(self.candidates[item.nodeid].deployment, item) for item in self.items if item.nodeid in self.candidates]
    for place, group in enumerate(grouped(chosen)):
        for number in range(self.launches):
            for item in group:
                yield Visit(item=item, number=place * self.launches + number, last=number == self.launches - 1)


Schedule.visits = back_to_back  # type: ignore[method-assign]
