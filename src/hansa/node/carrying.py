"""What one participant gives and takes as bytes: the planes, and what it received."""

from __future__ import annotations

from typing import Protocol

from hansa.dataplane import (
    AccessStore,
    BytesInbox,
    Consumer,
    Downloads,
    Fetched,
    Flows,
    Grants,
    HttpPull,
    HttpPush,
    ReceivedFiles,
    SftpPush,
    UsageLedger,
)
from hansa.kernel.store import Store
from hansa.node.feeding import Pushing
from hansa.node.shared import Shared
from hansa.node.shelf import Shelf

FILES_PATH = "data/files/v1"


class Carrier(Protocol):
    """What carrying needs of a participant."""

    id: str
    url: str
    store: Store
    flows: Flows
    grants: Grants
    access: AccessStore
    consumer: Consumer
    usage: UsageLedger
    pushing: Pushing
    shelf: Shelf


class Carrying:
    """The planes of bytes of a participant whose flows, grants and inboxes are there."""

    def __init__(self, participant: Carrier, shared: Shared) -> None:
        flows, grants, shelf = participant.flows, participant.grants, participant.shelf
        clock, client = shared.clock, shared.client
        self.fetched = Fetched(grants, shelf, client)
        self.received = ReceivedFiles(
            participant.pushing.quota,
            participant.store,
            clock,
            bytes_max=shared.settings.files.bytes_max,
        )
        self.downloads = Downloads(participant.consumer, flows, self.received, clock)
        receiver = BytesInbox(self.received, flows, participant.usage)
        participant.pushing.inboxes.register(receiver)
        flows.register(
            HttpPull(
                grants,
                participant.access,
                resources=shelf,
                endpoint=f"{participant.url}/{FILES_PATH}",
            ),
            HttpPush(
                grants,
                participant.pushing.pushes,
                client,
                resources=shelf,
                inboxes=participant.pushing.inboxes,
                receiver=receiver,
                exports=participant.pushing.exports,
            ),
            SftpPush(
                grants,
                participant.pushing.pushes,
                client,
                resolver=client,
                resources=shelf,
                exports=participant.pushing.exports,
                has_entities=shelf.has_entities,
            ),
        )

    async def close(self) -> None:
        """Stop what is fetched; it goes on when it is asked for again."""
        await self.downloads.close()
