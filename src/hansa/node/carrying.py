"""What one participant gives and takes as bytes: its shelf, the planes, what it received."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hansa.dataplane import (
    BytesInbox,
    Downloads,
    Fetched,
    HttpPull,
    HttpPush,
    ReceivedFiles,
    SftpPush,
)
from hansa.kernel.crypto import Sealer
from hansa.node.shelf import Shelf

if TYPE_CHECKING:
    from hansa.node.participant import Participant, Shared

FILES_PATH = "data/files/v1"


def shelf_of(participant: Participant, shared: Shared) -> Shelf:
    """Give the shelf of a participant whose catalogue is there: `files/<id>` in the folder."""
    return Shelf(
        shared.folder / "files" / participant.id,
        participant.catalogue,
        shared.client,
        Sealer(shared.secret, "resource"),
        shared.ids,
        shared.clock,
        bytes_max=shared.settings.files.bytes_max,
    )


class Carrying:
    """The planes of bytes of a participant whose flows, grants and inboxes are there."""

    def __init__(self, participant: Participant, shared: Shared) -> None:
        flows, grants, shelf = participant.flows, participant.grants, participant.shelf
        clock, client = shared.clock, shared.client
        self.fetched = Fetched(grants, shelf, client)
        self.received = ReceivedFiles(
            shared.folder / "received" / participant.id,
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
