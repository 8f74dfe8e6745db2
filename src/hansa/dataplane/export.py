"""Entities as one file: a line of JSON for each that the contract shows (NDJSON).

It is rendered anew each time it is sent, under the terms of that instant, so an interrupted
sending begins again: what was rendered under earlier terms would not fit what follows.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from hashlib import sha256

from hansa.dataplane.feed import Entities, terms_of
from hansa.dataplane.flow import DataFlow
from hansa.dataplane.push import Allowance, Item
from hansa.kernel import Code, HansaError

PAGE_MAX = 200
"""Entities in one item."""
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


class Export:
    """The source of one export. `digest` is known when all was given."""

    total_bytes = None
    media_type = "application/x-ndjson"

    def __init__(self, flow: DataFlow, entities: Entities) -> None:
        self._entities = entities
        self.name = f"{_PLAIN.sub('-', flow.dataset_id.rpartition('/')[2])[-100:]}.ndjson"
        self.digest: str | None = None

    def bytes_before(self, position: str) -> int | None:
        """Say that it has to begin again: no position can be gone on from."""
        return None

    async def items(self, position: str, allowance: Allowance) -> AsyncGenerator[Item, None]:
        """Give all pages; HansaError policy_denied when the terms change on the way."""
        self.digest = None
        summed, size = sha256(), 0
        terms = terms_of(await allowance.scope())
        after: str | None = None
        while True:
            scope = await allowance.scope()
            if terms_of(scope) != terms:
                raise HansaError(
                    Code.policy_denied,
                    "What the agreement lets through has changed.",
                    "The export begins again.",
                )
            shown, after = await self._entities.page(scope, after, PAGE_MAX)
            body = b"".join(one + b"\n" for one in shown)
            summed.update(body)
            size += len(body)
            first = size == len(body)
            yield Item(
                position=str(size), body=body, entities=len(shown), requests=1 if first else 0
            )
            if after is None:
                break
        self.digest = f"sha-256:{summed.hexdigest()}"


class EntityExports:
    """Makes exports of one participant's entities."""

    def __init__(self, entities: Entities) -> None:
        self._entities = entities

    def export(self, flow: DataFlow) -> Export:
        """Give the governed entities of a flow's dataset as NDJSON."""
        return Export(flow, self._entities)
