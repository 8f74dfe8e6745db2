"""How often somebody may come: so many times a second in the long run, more at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from hansa.kernel.clock import Clock

BURST_S = 20.0
"""A caller that was quiet may bring the requests of so many seconds at once."""
_CALLERS_MAX = 10_000
_RETRY_AFTER_MAX_S = 600.0


class Rate:
    """One token bucket for each caller, kept as the instant at which it is full again.

    Of callers 10,000 are known; who came longest ago is forgotten first, and may begin anew.
    """

    def __init__(self, per_s: float, clock: Clock) -> None:
        """`per_s` 0 sets no limit."""
        self._each_s = 1 / per_s if per_s else 0.0
        self._clock = clock
        self._full_at_s: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, caller: str) -> float:
        """Give the seconds until the caller may come; 0 when now."""
        full_at_s = self._full_at_s.get(caller)
        if full_at_s is None:
            return 0.0
        over_s = full_at_s + self._each_s - BURST_S - self._clock.monotonic_s()
        return over_s if over_s > 1e-6 else 0.0

    def count(self, caller: str) -> None:
        """Count one time that the caller came."""
        if not self._each_s:
            return
        known, now_s = self._full_at_s, self._clock.monotonic_s()
        known[caller] = max(known.get(caller, now_s), now_s) + self._each_s
        known.move_to_end(caller)
        if len(known) > _CALLERS_MAX:
            known.popitem(last=False)

    @property
    def idle(self) -> bool:
        """Say whether nobody was ever counted."""
        return not self._full_at_s


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Give how long an answer asks to wait (RFC 9110 10.2.3), 0 when it does not, 10 min at most.

    `headers` by lower-case name. A date counts from the answer's own `date`.
    """
    told = headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return min(float(told[:9]), _RETRY_AFTER_MAX_S)
    try:
        begin = parsedate_to_datetime(headers.get("date", ""))
        asked_s = (parsedate_to_datetime(told) - begin).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, none of ours, or without a zone
        return 0.0
    return min(max(asked_s, 0.0), _RETRY_AFTER_MAX_S)
