"""The interned names and kinds of one participant, as one immutable picture of them.

A name is the IRI of an attribute or a dataset. A kind is a set of entity types (and whether the
entity has no attribute at all): types are decided once for a kind, not for each entity. Rows are
only ever added; `generation` in the participant's row counts the additions, so that one look at it
tells whether the picture is still true.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from hansa.broker.model import TypeSelection
from hansa.kernel import Code, HansaError
from hansa.kernel.store import ReadTx, Tx

NAMES_MAX = 20_000
KINDS_MAX = 5_000
_JOIN = "\n"


class Kind(msgspec.Struct, frozen=True):
    """A set of types; `bare` when its entities have no attribute."""

    types: frozenset[str]
    bare: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """Names and kinds with their numbers. `p` is the participant's number."""

    p: int
    generation: int
    secret: bytes
    names: dict[str, int]
    iris: dict[int, str]
    kinds: dict[int, Kind]
    numbers: dict[Kind, int]

    def selected(self, selection: TypeSelection | None) -> frozenset[int]:
        """Give the kinds whose types are selected (4.17); all when nothing is selected."""
        if selection is None:
            return frozenset(self.kinds)
        return frozenset(k for k, kind in self.kinds.items() if selection.matches(kind.types))

    def of_types(self, types: frozenset[str]) -> frozenset[int]:
        """Give the kinds with at least one of these types."""
        return frozenset(k for k, kind in self.kinds.items() if not types.isdisjoint(kind.types))


class Numbering(Protocol):
    """What of an adapter the vocabulary needs."""

    def placeholders(self, text: str) -> str:
        """Write a statement with the adapter's own signs."""
        ...


def load(tx: ReadTx, dialect: Numbering, known: Vocabulary | None) -> tuple[Vocabulary, int] | None:
    """Give the present picture, and the number of the last change; None before any write.

    The picture is `known` itself when that is still true.
    """
    found = tx.execute(
        dialect.placeholders(
            "SELECT p, generation, secret, changes FROM broker_participant WHERE participant = ?"
        ),
        (tx.participant,),
    )
    if not found:
        return None
    p, generation, secret, changes = found[0]
    if known is not None and known.generation == generation:
        return known, changes
    names = dict(_rows(tx, dialect, "SELECT name, a FROM broker_name WHERE p = ?", p))
    kinds: dict[int, Kind] = {}
    for k, types, bare in _rows(
        tx, dialect, "SELECT k, types, bare FROM broker_kind WHERE p = ?", p
    ):
        kinds[k] = Kind(frozenset(types.split(_JOIN)), bool(bare))
    picture = Vocabulary(
        p,
        generation,
        bytes(secret),
        names,
        {a: name for name, a in names.items()},
        kinds,
        {kind: k for k, kind in kinds.items()},
    )
    return picture, changes


def _rows(tx: ReadTx, dialect: Numbering, text: str, p: int) -> list[Any]:
    return tx.execute(dialect.placeholders(text), (p,))


def begin(tx: Tx, dialect: Numbering, known: Vocabulary | None, secret: bytes) -> Vocabulary:
    """Give the picture for a write, making the participant's row when it is the first one."""
    found = load(tx, dialect, known)
    if found is not None:
        return found[0]
    tx.execute(
        dialect.placeholders(
            "INSERT INTO broker_participant (participant, generation, secret) VALUES (?, 0, ?)"
            " ON CONFLICT (participant) DO NOTHING"
        ),
        (tx.participant, secret),
    )
    made = load(tx, dialect, None)
    assert made is not None
    return made[0]


def extend(
    tx: Tx, dialect: Numbering, old: Vocabulary, names: Iterable[str], kinds: Iterable[Kind]
) -> Vocabulary:
    """Add the names and kinds that are new; give the picture with them.

    HansaError too_complex when a participant has more than 20,000 names or 5,000 kinds.
    """
    new_names = list(dict.fromkeys(name for name in names if name not in old.names))
    new_kinds = list(dict.fromkeys(kind for kind in kinds if kind not in old.numbers))
    if not new_names and not new_kinds:
        return old
    for what, size, most in (
        ("names of attributes and datasets", len(old.names) + len(new_names), NAMES_MAX),
        ("combinations of types", len(old.kinds) + len(new_kinds), KINDS_MAX),
    ):
        if size > most:
            raise HansaError(
                Code.too_complex,
                f"There are too many {what}.",
                f"At most {most} are kept for one participant: put changing keys into a value.",
                limit=most,
            )
    for name in new_names:
        tx.execute(
            dialect.placeholders("INSERT INTO broker_name (p, name) VALUES (?, ?)"), (old.p, name)
        )
    for kind in new_kinds:
        tx.execute(
            dialect.placeholders("INSERT INTO broker_kind (p, types, bare) VALUES (?, ?, ?)"),
            (old.p, _JOIN.join(sorted(kind.types)), int(kind.bare)),
        )
    tx.execute(
        dialect.placeholders(
            "UPDATE broker_participant SET generation = generation + 1 WHERE p = ?"
        ),
        (old.p,),
    )
    made = load(tx, dialect, None)
    assert made is not None
    return made[0]
