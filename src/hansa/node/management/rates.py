"""How fast data flows: from counters that are looked at now and then."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import NamedTuple

from hansa.kernel import Clock

WINDOW_S = 60.0
_APART_S = 1.0
_YOUNG_S = 2.0
_FLOWS_MAX = 2_000


class Rate(NamedTuple):
    """Items and bytes in a second."""

    items: float
    bytes: float


class Rates:
    """Samples of counters, at most one a second for each flow, of the last minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, deque[tuple[float, int, int]]] = OrderedDict()

    def rate(self, flow_id: str, items: int, size: int, *, age_s: float) -> Rate:
        """Note the counters of a flow, and give its rate over the last minute.

        As long as there is only one look at a flow it is the mean since it began, `age_s` ago.
        """
        now = self._clock.monotonic_s()
        samples = self._seen.setdefault(flow_id, deque())
        self._seen.move_to_end(flow_id)
        if len(self._seen) > _FLOWS_MAX:
            self._seen.popitem(last=False)
        while len(samples) > 1 and now - samples[0][0] > WINDOW_S:
            samples.popleft()
        if not samples or now - samples[-1][0] >= _APART_S:
            samples.append((now, items, size))
        at, items_then, size_then = samples[0]
        span_s = now - at
        if span_s < _YOUNG_S:
            span_s, items_then, size_then = max(age_s, 1.0), 0, 0
        return Rate(max(0.0, (items - items_then) / span_s), max(0.0, (size - size_then) / span_s))
