"""How far a transfer is, from our own counts or the provider's word, as a JSON object. No I/O."""

from __future__ import annotations

from hansa.dataplane import DataFlow, TransferUsage
from hansa.exchange import TransferProgress
from hansa.node.management.access import Json
from hansa.node.management.views import moment


def own(flow: DataFlow, usage: TransferUsage) -> Json:
    """Give what we count: a flow that is fetched by queries is counted by what was read."""
    done = flow.progress
    size, items, last = done.bytes, done.items, done.last_at
    if last is None:
        size, items, last = usage.bytes, usage.entities, usage.last_at
    return {
        "source": "own",
        "state": flow.state.value,
        "bytes": size,
        "items": items,
        "total_bytes": done.total_bytes,
        "last_at": moment(last),
        "digest": done.digest,
        "error": done.error,
        "attempts": done.attempts,
        "due": moment(done.next_at),
    }


def told(flow: DataFlow, said: TransferProgress | None) -> Json:
    """Give what the provider says of a push that passes us by; without counts if it says none."""
    return {
        "source": "provider",
        "state": flow.state.value,
        "bytes": said.bytes if said else None,
        "items": said.items if said else None,
        "total_bytes": said.total if said else None,
        "last_at": moment(said.last_item) if said else None,
        "digest": None,
        "error": said.error if said else None,
        "attempts": said.attempts if said else 0,
        "due": moment(said.next_try) if said else None,
    }
