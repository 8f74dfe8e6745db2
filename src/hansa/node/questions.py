"""What several pages ask of a participant: titles, slips, counts, and what a contract cuts away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hansa.broker import Broker, Query, Slice, TemporalQuery
from hansa.catalogue import Attribute, Catalogue, Dataset, RemoteDataset, matches
from hansa.dataplane import AccessStore, NgsiLdPush
from hansa.exchange import Agreement, Role, TransferProcess
from hansa.kernel import Clock
from hansa.kernel.jsonld import compact_ngsi_ld_name, expand_ngsi_ld_name
from hansa.kernel.store import Kind, ReadTx, Store
from hansa.node.adapters import Agreements
from hansa.node.directory import Directory
from hansa.node.feeding import RECEIVED_PATH, Pushing
from hansa.policy import AttributeInfo, Cut, Scope, Usage, compile_policy, explain

DATA_PATH = "data/ngsi-ld/v1"
KNOWN_DATASETS = Kind(
    "node_known_dataset", RemoteDataset, key=lambda dataset: dataset.id, often=True
)


class Questions:
    """Answers from a participant's rooms; `Participant` has the rooms."""

    id: str
    title: str
    role: str
    did: str
    url: str
    clock: Clock
    store: Store
    broker: Broker
    catalogue: Catalogue
    directory: Directory
    access: AccessStore
    agreements: Agreements
    pushing: Pushing

    def describe(self) -> dict[str, Any]:
        """Give id, title, did, role."""
        return {"id": self.id, "title": self.title, "did": self.did, "role": self.role}

    def title_of(self, did: str) -> str:
        """Give the title of a participant."""
        return self.title if did == self.did else self.directory.title_of(did)

    def matches(self, dataset: RemoteDataset, query: str) -> bool:
        """Say whether a remote dataset has every word of a query."""
        return matches(dataset, query)

    async def remember(self, dataset: RemoteDataset) -> None:
        """Keep what a provider said of a dataset when we asked for it."""
        known = await self.store.read(lambda tx: tx.get(KNOWN_DATASETS, dataset.id))
        if known != dataset:
            await self.store.write(lambda tx: tx.put(KNOWN_DATASETS, dataset))

    async def known_dataset(self, dataset_id: str) -> Dataset | RemoteDataset | None:
        """Give a dataset of ours, or one that we asked for, or None."""
        return await self.store.read(lambda tx: known_in(tx, self.catalogue, dataset_id))

    async def slip(self, odrl: Mapping[str, Any], dataset_id: str) -> dict[str, Any]:
        """Give the contract slip of an offer or agreement on a dataset, in plain words."""
        return self.slip_of(odrl, dataset_id, await self.known_dataset(dataset_id))

    def slip_of(
        self, odrl: Mapping[str, Any], dataset_id: str, known: Dataset | RemoteDataset | None
    ) -> dict[str, Any]:
        """Give the same on a dataset that was looked up before."""
        names = {dataset_id: known.title} if known else {}
        for side in ("assigner", "assignee"):
            if odrl.get(side):
                names[str(odrl[side])] = self.title_of(str(odrl[side]))
        plain = explain(
            {**odrl, "target": dataset_id},
            attributes=attribute_infos(known.attributes if known else ()),
            names=names,
        )
        slip: dict[str, Any] = msgspec.to_builtins(plain)
        return slip

    async def temporal(
        self, scope: Scope, name: str, start: datetime, end: datetime, entity: str | None
    ) -> list[dict[str, Any]]:
        """Give an attribute's instances in [start, end) as simplified temporal entities."""
        page = await self.broker.temporal(
            scope,
            Query(ids=(entity,) if entity else ()),
            TemporalQuery(
                start=_micros(start), end=_micros(end), attributes=(expand_ngsi_ld_name(name),)
            ),
            Slice(limit=1_000),
            values=True,
        )
        return [msgspec.json.decode(item) for item in page.items]

    async def count_entities(self, cut: Cut | None = None) -> int:
        """Count the entities of a selection, or all."""
        scope = Scope.everything() if cut is None else Scope(permits=(cut,))
        page = await self.broker.query(scope, Query(), Slice(limit=0, count=True))
        return page.count or 0

    async def type_query(self, dataset_id: str) -> str:
        """Give `type=A,B&` for a dataset, or nothing when it is not known."""
        known = await self.known_dataset(dataset_id)
        if known is None or not known.types:
            return ""
        return "type=" + ",".join(compact_ngsi_ld_name(name) for name in known.types) + "&"

    async def endpoint_of(self, transfer: TransferProcess) -> str | None:
        """Give the address that a transfer is read from."""
        if transfer.role is Role.provider:
            return f"{self.url}/{DATA_PATH}"
        if transfer.format in NgsiLdPush.profiles and await self.pushing.inboxes.has(transfer.id):
            return f"{self.url}/{RECEIVED_PATH}/{transfer.id}/ngsi-ld/v1"
        access = await self.access.describe(transfer.id)
        return access.endpoint if access is not None else None

    async def cut_of(self, agreement: Agreement) -> dict[str, Any] | None:
        """Say what an agreement cuts away; only its provider knows."""
        if agreement.role is not Role.provider:
            return None
        governing = await self.agreements.governing(agreement)
        policy = compile_policy(
            governing.odrl, target=governing.target, selection=governing.selection
        )
        decision = policy.decide(
            Usage(
                action="read",
                target=governing.target,
                assignee=governing.assignee,
                purpose=governing.purpose,
                now=self.clock.now(),
                count=1,
            )
        )
        summary = await self.broker.summary(decision.scope, governing.selection)
        withheld = [compact_ngsi_ld_name(name) for name in summary.attributes_withheld]
        return {
            "entities_total": summary.entities_total,
            "entities_visible": summary.entities_visible,
            "attributes_withheld": withheld,
            "why": [reason.message for reason in decision.reasons],
        }


def known_in(tx: ReadTx, catalogue: Catalogue, dataset_id: str) -> Dataset | RemoteDataset | None:
    """Give a dataset of ours, or one that we asked for, as a transaction sees it, or None."""
    return catalogue.get_in(tx, dataset_id) or tx.get(KNOWN_DATASETS, dataset_id)


def attribute_infos(attributes: Sequence[Attribute]) -> list[AttributeInfo]:
    """Give what the explanation of terms needs to know of attributes."""
    return [AttributeInfo(name=a.name, title=a.title or a.name) for a in attributes]


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
