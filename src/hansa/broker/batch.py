"""What a batch of entities did, and how ids that come twice in it are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from hansa.broker.errors import not_found
from hansa.broker.model import EntityDraft
from hansa.broker.store import Mode, Outcome, Writing
from hansa.broker.wire_ngsi_ld_1_9 import Names, entity_id, read_entity, read_evolution
from hansa.kernel import Code, HansaError
from hansa.kernel.jsonld import TermMap


@dataclass
class Written:
    """What a batch did: ids created, ids changed, and what was wrong with the rest."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    failed: list[tuple[str | None, HansaError]] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=dict)


def read_batch(
    entities: Sequence[Any],
    terms: TermMap | Sequence[TermMap],
    *,
    typed: bool = True,
    history: bool = False,
) -> tuple[list[EntityDraft], list[tuple[str | None, HansaError]]]:
    """Check and render entities, each under its own names; gives those that failed apart.

    `typed` wants a type of each; `history` reads their temporal representation (4.5.6).
    """
    each = repeat(terms) if isinstance(terms, TermMap) else terms
    known: dict[int, Names] = {}
    drafts: list[EntityDraft] = []
    failed: list[tuple[str | None, HansaError]] = []
    for raw, own in zip(entities, each, strict=False):
        names = known.get(id(own)) or known.setdefault(id(own), Names(own))
        try:
            if history:
                drafts.append(read_evolution(raw, names))
            else:
                drafts.append(read_entity(raw, names, typed=typed))
        except HansaError as error:
            failed.append((entity_id(raw), error))
    return drafts, failed


def in_rounds(writing: Writing, drafts: Sequence[EntityDraft], mode: Mode) -> Outcome:
    """Write a batch in which ids may come twice: the later one acts on the result of the first."""
    total = Outcome()
    rest = list(drafts)
    while rest:
        now: dict[str, EntityDraft] = {}
        later: list[EntityDraft] = []
        for draft in rest:
            if draft.id in now:
                later.append(draft)
            else:
                now[draft.id] = draft
        outcome = writing.write(list(now.values()), mode)
        total.created += outcome.created
        total.changed += [i for i in outcome.changed if i not in total.created]
        total.refused += outcome.refused
        total.ignored.update(outcome.ignored)
        rest = later
    return total


def refusal(identifier: str, mode: Mode) -> HansaError:
    """Say why one entity of a batch was not written."""
    if mode == Mode.create:
        return HansaError(
            Code.already_exists,
            f"The entity {identifier} exists already.",
            "Change it with entityOperations/upsert.",
            field="id",
        )
    return not_found(f"The entity {identifier}")
