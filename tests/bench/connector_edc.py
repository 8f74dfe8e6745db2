"""The same negotiation between two real EDC connectors, seen from the consumer's management API.

EDC keeps everything in memory here and trusts a mock token; its state machines tick each second by
default, or each 50 ms as its own end-to-end tests set. Its management API has no long poll, so it
is asked every 5 ms.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from tests import jars
from tests.interop.edc.connector import VERSION, Connector, resolve
from tests.interop.edc.management import Counterparty, LostError, Management

POLL_S = 0.005
PATIENCE_S = 20.0
ASSET = "bench"
Json = dict[str, Any]


def why_not() -> str | None:
    """Say why EDC can't run on this machine, or None; fetches it when it is not there yet."""
    try:
        resolve()
    except jars.JavaUnavailableError as error:
        return str(error).partition("\n")[0]
    return None


def negotiate(buyer: Management, peer: Counterparty, offer: Json) -> float:
    """Negotiate to FINALIZED; give the milliseconds. LostError when it ends or hangs."""
    begun = time.perf_counter()
    number = buyer.negotiate(peer, ASSET, offer)
    while time.perf_counter() - begun < PATIENCE_S:
        state = buyer.negotiation(number)["state"]
        if state == "FINALIZED":
            return (time.perf_counter() - begun) * 1000
        if state == "TERMINATED":
            break
        time.sleep(POLL_S)
    raise LostError(f"{number} was not finalized")


def measure(tick_ms: int | None, *, runs: int, warm: int) -> Json:
    """Start a pair, warm it up, and give p50_ms, p95_ms, lost and memory in MB."""
    with (
        Connector("bench-provider", tick_ms=tick_ms, heap="2g", polite=False) as provider,
        Connector("bench-consumer", tick_ms=tick_ms, heap="2g", polite=False) as consumer,
    ):
        selling, buying = Management(provider.management_url), Management(consumer.management_url)
        selling.publish(ASSET, "http://localhost:9/")
        peer = Counterparty(provider.participant, provider.dsp_url)
        offer = buying.offer(peer, ASSET)
        taken: list[float] = []
        lost = 0
        while len(taken) < warm + runs and lost < warm + runs:
            try:
                taken.append(negotiate(buying, peer, offer))
            except LostError:
                lost += 1
        memory = [_rss_mb(each.pid) for each in (provider, consumer)]
        selling.close()
        buying.close()
    counted = taken[warm:]
    return {
        "version": VERSION,
        "p50_ms": statistics.median(counted),
        "p95_ms": statistics.quantiles(counted, n=20)[-1] if len(counted) > 1 else counted[0],
        "lost": lost,
        "rss_mb": memory,
    }


def _rss_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(file.read().split("VmRSS:")[1].split()[0]) / 1024
