"""Change and withdraw what is published."""

from __future__ import annotations

import msgspec

from hansa.catalogue import Dataset, OfferDraft, draft_of
from hansa.identity import Caller
from hansa.node.management.access import Json
from hansa.node.management.data import Data, DatasetBody
from hansa.node.participant import Participant


class Offering(Data):
    """What an operator does with datasets that are published."""

    async def change_dataset(
        self, caller: Caller, participant: str, dataset_id: str, change: msgspec.Struct
    ) -> Json:
        """Say something else about a dataset; `template` and `parameters` give it other terms.

        A member of `change` that is UNSET stays as it is. Agreements that were made stay as well.
        """
        p = self.participant(caller, participant)
        known = await p.catalogue.get(dataset_id)
        wanted = {
            name: value
            for name, value in msgspec.structs.asdict(change).items()
            if value is not msgspec.UNSET
        }
        template, parameters = wanted.pop("template", None), wanted.pop("parameters")
        for name in ("licence", "attribution"):
            if name in wanted:
                wanted[name] = wanted[name] or None
        if template is not None:
            wanted["offers"] = (self._new_offer(p, known, template, parameters),)
        changed = await p.catalogue.update(dataset_id, draft_of(known, **wanted))
        p.journal.note("dataset.changed", f"Changed “{changed.title}”", changed.id)
        return await self._own(p, changed, {})

    def _new_offer(
        self, p: Participant, known: Dataset, template: str, parameters: Json
    ) -> OfferDraft:
        body = DatasetBody(
            title=known.title,
            template=template,
            parameters=parameters,
            attributes=known.attributes,
        )
        odrl = self.check_terms(p, body)
        return OfferDraft(odrl=odrl, template=template, parameters=parameters, id=str(odrl["@id"]))

    async def withdraw_dataset(self, caller: Caller, participant: str, dataset_id: str) -> Json:
        """Take a dataset out of the catalogue; agreements on it stay, and select nothing more.

        The file of an upload is deleted: `file` says "deleted" (now), or "in_use" when pushes that
        run still need it (once the last has ended); None when no upload belongs to it.
        """
        p = self.participant(caller, participant)
        known = await p.catalogue.get(dataset_id)
        await p.catalogue.withdraw(dataset_id, p.leaving.plan)
        file = None
        if known.resource is not None and p.shelf.uploaded(known.resource):
            file = "in_use" if await p.leaving.sending(dataset_id) else "deleted"
        p.journal.note("dataset.withdrawn", f"Withdrew “{known.title}”", known.id)
        return {"id": known.id, "title": known.title, "file": file}
