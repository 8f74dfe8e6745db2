"""What governs the grants: their agreements as they stand, each compiled once for all under it."""

from __future__ import annotations

from hansa.dataplane.enforcement import Governed, LiveGrant
from hansa.dataplane.live import LiveGrants
from hansa.dataplane.ports import AgreementSource
from hansa.kernel import Code, HansaError


class Governing:
    """The compiled agreements of one participant's grants; `live` says which are in use."""

    def __init__(self, agreements: AgreementSource, live: LiveGrants) -> None:
        self._agreements = agreements
        self._live = live
        self._governed: dict[str, Governed] = {}
        self._events = 0

    async def of(self, agreement_id: str) -> Governed:
        """Give an agreement, compiled, as it stands; HansaError not_found.

        It is kept while a grant that is not ended needs it. An event during the read makes it read
        again, so that no state from before is kept.
        """
        governed = self._governed.get(agreement_id)
        while governed is None:
            events = self._events
            agreement = await self._agreements.agreement(agreement_id)
            if events != self._events:
                continue
            if agreement is None:
                raise HansaError(Code.not_found, "There is no such agreement.")
            governed = Governed(agreement)
            if self._live.of_agreement(agreement_id):
                self._governed[agreement_id] = governed
        return governed

    async def govern(self, live: LiveGrant) -> None:
        """Put the agreement of a grant to it; one that is not found governs nothing."""
        live.governed = await self._of_or_none(live.grant.agreement_id)

    async def changed(self, agreement_id: str) -> None:
        """Decide by the new state of an agreement from now on; running answers see it too."""
        self._events += 1
        self._governed.pop(agreement_id, None)
        affected = self._live.of_agreement(agreement_id)
        governed: Governed | None = None
        try:
            if affected:
                governed = await self._of_or_none(agreement_id)
        finally:
            for live in affected:
                live.governed = governed

    def leave(self, agreement_id: str) -> None:
        """Forget an agreement when no grant that is not ended needs it any more."""
        if not self._live.of_agreement(agreement_id):
            self._governed.pop(agreement_id, None)

    async def _of_or_none(self, agreement_id: str) -> Governed | None:
        try:
            return await self.of(agreement_id)
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
            return None
