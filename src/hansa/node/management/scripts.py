"""Scripts: how this side answers by itself, to rehearse a counterparty."""

from __future__ import annotations

from typing import Any

import msgspec

from hansa.identity import Caller
from hansa.node.management.access import Access, Json


class Scripts(Access):
    """What an operator does with scripts; `subject` is a dataset, an offer or an agreement."""

    async def scripts(self, caller: Caller, participant: str) -> Json:
        """List all scripts, by subject."""
        found = await self.participant(caller, participant).deciding.scripts()
        return {"items": [msgspec.to_builtins(script) for script in found]}

    async def script(self, caller: Caller, participant: str, subject: str) -> Json:
        """Give the script of a subject; HansaError not_found."""
        found = await self.participant(caller, participant).deciding.script(subject)
        return _view(found)

    async def put_script(
        self, caller: Caller, participant: str, subject: str, *, steps: list[dict[str, Any]]
    ) -> Json:
        """Keep the script of a subject, in place of the one before."""
        found = await self.participant(caller, participant).deciding.put_script(subject, steps)
        return _view(found)

    async def remove_script(self, caller: Caller, participant: str, subject: str) -> Json:
        """Forget the script of a subject; give it as it was."""
        p = self.participant(caller, participant)
        found = await p.deciding.script(subject)
        await p.deciding.delete_script(subject)
        return _view(found)


def _view(script: msgspec.Struct) -> Json:
    view: Json = msgspec.to_builtins(script)
    return view
