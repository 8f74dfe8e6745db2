"""Write entities: values, geometries, fragments, bytes and history in one transaction.

A change is worked out for a whole batch at once: what is there is read with one statement per
table, the difference is found here, and rows go out in bulk. An instance whose bytes did not change
keeps its values and gets a new `modified` only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hansa.broker.model import AttributeInstance, EntityDraft, Geometry, ValueClass
from hansa.broker.ports import Dialect
from hansa.broker.store import rows
from hansa.broker.store.stored import (
    LOCATION,
    NOWHERE,
    SHAPE_BITS,
    StoredEntity,
    StoredInstance,
    find,
    load,
)
from hansa.broker.store.vocabulary import Kind, Vocabulary, extend
from hansa.broker.wire_ngsi_ld_1_9.joining import head, joined, member
from hansa.kernel.store import Tx


class Mode(StrEnum):
    """What happens to an entity that is there already (5.6.1, 5.6.8, 5.6.2, 5.6.3)."""

    create = "create"
    replace_all = "replace"
    append = "append"
    extend = "extend"
    update = "update"


_UPSERTS = (Mode.replace_all, Mode.append)
"""What makes an entity that is not there; `extend` is `append` to one that is."""


@dataclass
class Outcome:
    """What a write did, by id: `refused` were there (create) or not there (update)."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=dict)
    """Attributes that were not there to be updated, by id (5.6.2)."""


class Writing:
    """One batch of entities with different ids."""

    def __init__(self, tx: Tx, dialect: Dialect, vocabulary: Vocabulary, now: int) -> None:
        self._tx = tx
        self._dialect = dialect
        self.vocabulary = vocabulary
        self._p = vocabulary.p
        self._now = now
        self._begin()

    def _begin(self) -> None:
        """Start a round with nothing noted."""
        self._rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in rows.INSERT}
        self._shapes: list[tuple[int, int, int, int, int | None, Geometry]] = []
        self._dropped: list[int] = []
        self._stale: list[tuple[int, int, int, int]] = []
        self._entities: Counter[int] = Counter()
        self._instances: Counter[tuple[int, int, int]] = Counter()
        self._spare_n: Iterator[int] = iter(())
        self._change: Iterator[int] = iter(())

    def write(self, drafts: Sequence[EntityDraft], mode: Mode) -> Outcome:
        """Write the batch; ids must differ."""
        outcome = Outcome()
        self._begin()
        self.vocabulary = extend(
            self._tx,
            self._dialect,
            self.vocabulary,
            _names(drafts),
            (Kind(frozenset(draft.types), not draft.attributes) for draft in drafts if draft.types),
        )
        stored = find(self._tx, self._dialect, self._p, [draft.id for draft in drafts])
        work: list[tuple[EntityDraft, StoredEntity | None]] = []
        for draft in drafts:
            found = stored.get(draft.id)
            alive = found is not None and found.k > 0
            if alive == (mode == Mode.create) and mode not in _UPSERTS:
                outcome.refused.append(draft.id)
                continue
            (outcome.changed if alive else outcome.created).append(draft.id)
            work.append((draft, found))
        load(self._tx, self._dialect, self._p, [found for _, found in work if found is not None])
        fresh = sum(1 for _, found in work if found is None)
        self._spare_n = iter(self._dialect.numbers(self._tx, fresh))
        self._change = iter(self._changes(len(work)))
        for draft, found in work:
            self._entity(draft, found, mode, outcome)
        self._flush()
        return outcome

    def delete(self, ids: Sequence[str]) -> list[str]:
        """Delete entities; their history stays (5.6.6). Gives the ids that were there."""
        self._begin()
        found = find(self._tx, self._dialect, self._p, ids)
        stored = {i: entity for i, entity in found.items() if entity.k > 0}
        load(self._tx, self._dialect, self._p, list(stored.values()))
        located = (self.vocabulary.names.get(LOCATION), 0)
        kept: list[int] = []
        for entity in stored.values():
            self._tally(entity.k, {key: old.type for key, old in entity.instances.items()}, -1)
            self._stale.extend((self._p, entity.n, a, d) for a, d in entity.instances)
            for key, g in entity.geometries.items():
                (kept if key == located else self._dropped).append(g)
        self._dialect.drop_geometries(self._tx, self._p, kept, keep=True)
        self._many(rows.DELETE_ATTRIBUTE, self._stale)
        self._flush()
        changes = self._changes(len(stored))
        self._many(
            rows.BURY_ENTITY,
            [
                (b"", self._now, change, self._p, entity.n)
                for entity, change in zip(stored.values(), changes, strict=True)
            ],
        )
        return list(stored)

    def append_history(self, drafts: Sequence[EntityDraft]) -> list[str]:
        """Add instances to the history only (4.5.6); gives the ids that are unknown and typeless.

        An instance with the same attribute, dataset and instant takes the place of the old one.
        """
        self._begin()
        self.vocabulary = extend(
            self._tx,
            self._dialect,
            self.vocabulary,
            _names(drafts),
            (Kind(frozenset(draft.types)) for draft in drafts if draft.types),
        )
        stored = find(self._tx, self._dialect, self._p, [draft.id for draft in drafts])
        known = [draft for draft in drafts if draft.id in stored or draft.types]
        self._spare_n = iter(
            self._dialect.numbers(self._tx, sum(draft.id not in stored for draft in known))
        )
        names = self.vocabulary.names
        for draft in known:
            entity = stored.get(draft.id)
            if entity is None:
                k = -self.vocabulary.numbers[Kind(frozenset(draft.types))]
                entity = StoredEntity(next(self._spare_n), k, self._now)
                row = (entity.n, self._p, k, draft.id, self._now, self._now, 0, *NOWHERE, b"", 0)
                self._rows["broker_entity"].append(row)
            for one in draft.attributes:
                a, d = names[one.name], names[one.dataset] if one.dataset else 0
                self._instances[(abs(entity.k), a, int(one.type))] += 0
                row = history_row(self._p, entity.n, a, d, one, self._now)
                self._rows["broker_history"].append(row)
        self._flush()
        return [draft.id for draft in drafts if draft.id not in stored and not draft.types]

    # -- what changes -----------------------------------------------------------------------------

    def _entity(
        self, draft: EntityDraft, found: StoredEntity | None, mode: Mode, outcome: Outcome
    ) -> None:
        names, now = self.vocabulary.names, self._now
        alive = found is not None and found.k > 0
        old = found.instances if found is not None and alive else {}
        types = set(draft.types)
        if alive and mode != Mode.replace_all:
            assert found is not None
            types |= self.vocabulary.kinds[found.k].types
        entity = found or StoredEntity(next(self._spare_n), 0, now)
        if not alive:
            entity.created = now
            self._dropped.extend(entity.geometries.values())
            entity.geometries, entity.place = {}, NOWHERE
        written: dict[tuple[int, int], AttributeInstance] = {}
        for instance in draft.attributes:
            key = (names[instance.name], names[instance.dataset] if instance.dataset else 0)
            if mode == Mode.update and key not in old:
                outcome.ignored.setdefault(draft.id, []).append(instance.name)
            else:
                written[key] = instance
        if mode == Mode.replace_all:
            kept = {}
            self._gone(entity, [key for key in old if key not in written], old)
        else:
            kept = {key: row for key, row in old.items() if key not in written}
        k = self._kind(types, bare=not kept and not written)
        if alive and k != entity.k:
            self._moved(entity, k)
        self._count(entity.k if alive else 0, k, old, kept, written)
        final = dict(kept)
        for key, instance in written.items():
            final[key] = self._instance(entity, k, key, instance, old.get(key))
        body = render(draft.id, types, final, self.vocabulary)
        row = (k, draft.id, entity.created, now, entity.shapes, *entity.place, body)
        change = next(self._change)
        if found is None:
            self._rows["broker_entity"].append((entity.n, self._p, *row, change))
        else:
            self._rows["entity_update"].append((*row, change, self._p, entity.n))

    def _kind(self, types: set[str], *, bare: bool) -> int:
        kind = Kind(frozenset(types), bare)
        if kind not in self.vocabulary.numbers:
            self.vocabulary = extend(self._tx, self._dialect, self.vocabulary, (), (kind,))
        return self.vocabulary.numbers[kind]

    def _instance(
        self,
        entity: StoredEntity,
        k: int,
        key: tuple[int, int],
        instance: AttributeInstance,
        old: StoredInstance | None,
    ) -> StoredInstance:
        """Write one instance with what is found by; its history only when it differs."""
        (a, d), n, p = key, entity.n, self._p
        made = StoredInstance(
            int(instance.type),
            instance.observed,
            old.created if old else self._now,
            self._now,
            instance.body,
        )
        self._rows["broker_attribute"].append(
            (p, n, a, d, made.type, made.observed, made.created, made.modified, made.body)
        )
        if old is not None and old.body == instance.body:
            return made
        if old is not None:
            self._stale.append((p, n, a, d))
        for value in instance.values:
            table = "broker_text" if value.number is None else "broker_number"
            v = value.text if value.number is None else value.number
            self._rows[table].append(
                (p, n, a, d, value.path, int(value.kind), v, k, instance.observed)
            )
        self._geometry(entity, key, instance)
        self._rows["broker_history"].append(history_row(p, n, a, d, instance, self._now))
        return made

    def _geometry(
        self, entity: StoredEntity, key: tuple[int, int], instance: AttributeInstance
    ) -> None:
        before = entity.geometries.pop(key, None)
        if before is not None:
            self._dropped.append(before)
        located = key == (self.vocabulary.names.get(LOCATION), 0)
        if instance.geometry is not None:
            entity.shapes += 1
            g = entity.n << SHAPE_BITS | entity.shapes % (1 << SHAPE_BITS)
            self._shapes.append((g, entity.n, *key, instance.observed, instance.geometry))
            if located:
                entity.place = (g, *instance.geometry.box)
        elif located:
            entity.place = NOWHERE

    def _gone(
        self,
        entity: StoredEntity,
        keys: Iterable[tuple[int, int]],
        old: dict[tuple[int, int], StoredInstance],
    ) -> None:
        """Remove attribute instances that a replacement left out."""
        removed = [(self._p, entity.n, a, d) for a, d in keys]
        if not removed:
            return
        self._stale.extend(removed)
        self._many(rows.DELETE_ATTRIBUTE, removed)
        for _, _, a, d in removed:
            before = entity.geometries.pop((a, d), None)
            if before is not None:
                self._dropped.append(before)
            if (a, d) == (self.vocabulary.names.get(LOCATION), 0):
                entity.place = NOWHERE

    def _moved(self, entity: StoredEntity, k: int) -> None:
        """Note the new kind on the values that stay."""
        for text in rows.MOVE_VALUES:
            self._many(text, [(k, self._p, entity.n)])

    def _count(
        self,
        before: int,
        k: int,
        old: dict[tuple[int, int], StoredInstance],
        kept: dict[tuple[int, int], StoredInstance],
        written: dict[tuple[int, int], AttributeInstance],
    ) -> None:
        if before:
            self._tally(before, {key: row.type for key, row in old.items()}, -1)
        types = {key: row.type for key, row in kept.items()}
        types.update({key: int(instance.type) for key, instance in written.items()})
        self._tally(k, types, 1)

    def _tally(self, k: int, types: Mapping[tuple[int, int], int], step: int) -> None:
        """Count an entity and its instances."""
        self._entities[k] += step
        for (a, _), kind in types.items():
            self._instances[(k, a, kind)] += step

    def _changes(self, count: int) -> range:
        """Take the next numbers of changes; whoever took some holds up others until the commit.

        So numbers become visible in their order, and a reader that saw one has seen all before it.
        """
        if not count:
            return range(0)
        text = self._dialect.placeholders(rows.TAKE_CHANGES)
        last: int = self._tx.execute(text, (count, self._p))[0][0]
        return range(last - count + 1, last + 1)

    # -- out to the tables ------------------------------------------------------------------------

    def _many(self, text: str, parameters: Sequence[tuple[Any, ...]]) -> None:
        if parameters:
            self._tx.executemany(self._dialect.placeholders(text), parameters)

    def _flush(self) -> None:
        for text in rows.DELETE_VALUES:
            self._many(text, self._stale)
        if self._dropped:
            self._dialect.drop_geometries(self._tx, self._p, self._dropped, keep=False)
        for name, parameters in self._rows.items():
            self._many(rows.INSERT[name], parameters)
        if self._shapes:
            self._dialect.save_geometries(self._tx, self._p, self._shapes)
        self._many(
            rows.COUNT_ENTITIES,
            [(step, self._p, k) for k, step in self._entities.items() if step],
        )
        self._many(
            rows.COUNT_INSTANCES,
            [(self._p, *key, step) for key, step in self._instances.items()],
        )


def _names(drafts: Iterable[EntityDraft]) -> Iterable[str]:
    for draft in drafts:
        for instance in draft.attributes:
            yield instance.name
            if instance.dataset:
                yield instance.dataset


def history_row(
    p: int, n: int, a: int, d: int, instance: AttributeInstance, now: int
) -> tuple[Any, ...]:
    """Give the row of one instance in the evolution; a single plain value is compared in SQL."""
    c = number = text = None
    own = [value for value in instance.values if not value.path]
    if own and (len(own) == 1 or own[1].kind is ValueClass.instant):
        c, number, text = int(own[0].kind), own[0].number, own[0].text
    observed = instance.observed is not None
    at = instance.observed if instance.observed is not None else now
    return (p, n, a, int(observed), at, d, now, c, number, text, instance.body)


def render(
    identifier: str,
    types: Iterable[str],
    instances: Mapping[tuple[int, int], StoredInstance],
    vocabulary: Vocabulary,
) -> bytes:
    """Write the whole entity, normalized, in the core context, attributes by their number."""
    members = {a: member(vocabulary.iris[a]) for a, _ in instances}
    return joined(
        head(identifier, types),
        ((members[key[0]], instances[key].body) for key in sorted(instances)),
    )
