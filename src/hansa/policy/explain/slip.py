"""The fields of the contract slip: whom, where, when, until, which attributes."""

from __future__ import annotations

from collections.abc import Sequence

from hansa.kernel import iso
from hansa.policy.explain import clauses
from hansa.policy.explain.model import AttributeInfo, Shown, When, Where
from hansa.policy.explain.view import View
from hansa.policy.geometry import unite_areas
from hansa.policy.normal import Alternative
from hansa.policy.operands import NameExpander
from hansa.policy.tree import atoms
from hansa.policy.vocabulary import MEMBERSHIP, RECIPIENT
from hansa.policy.words import _, area_text, list_text


def whom(view: View) -> str:
    """Name the assignee; in an offer, whom it is open to."""
    if view.policy.assignee:
        return view.name(view.policy.assignee)
    every = [
        atom for rule in view.policy.rules if not rule.forbids for atom in atoms(rule.constraints)
    ]
    for atom in every:
        if atom.left == RECIPIENT and isinstance(atom.value, frozenset):
            return list_text([view.name(did) for did in sorted(atom.value)], last=_("or"))
    if any(atom.left == MEMBERSHIP for atom in every):
        return _("every member of the data space")
    return _("whoever concludes the agreement")


def where(view: View) -> Where | None:
    """Give the area that holds all there is to see; None when some of it may lie anywhere."""
    areas = [part.piece.cut.area for _rule, part in view.permits]
    known = [area for area in areas if area is not None]
    if not known or len(known) < len(areas):
        return None
    united = unite_areas(list(dict.fromkeys(known)))
    return Where(wkt=united.wkt, bbox=united.bbox, text=area_text(united))


def when(view: View) -> When | None:
    """Give the span that holds all there is to see, and the exact words for each part."""
    texts = [clauses.time_clause(part, view.zone) for _rule, part in view.permits]
    known = list(dict.fromkeys(text for text in texts if text))
    if not known or None in texts:
        return None
    windows = [part.piece.cut.observed for _rule, part in view.permits]
    starts = [window.start if window else None for window in windows]
    ends = [window.end if window else None for window in windows]
    first = min((at for at in starts if at), default=None) if None not in starts else None
    last = max((at for at in ends if at), default=None) if None not in ends else None
    return When(
        start=iso(first) if first else None,
        end=iso(last) if last else None,
        text=_("; or ").join(known),
    )


def until(view: View) -> str | None:
    """Give the instant at which the last permission ends by the clock; None when one never does."""
    ends = [clauses.last_use(part.conditions) for _rule, part in view.permits]
    known = [end for end in ends if end is not None]
    return iso(max(known)) if known and len(known) == len(ends) else None


def attributes(view: View, infos: Sequence[AttributeInfo], expand: NameExpander) -> Shown:
    """Name what is granted and, as far as the dataset's attributes are known, what is withheld."""
    cuts = [part.piece.cut.attributes for _rule, part in view.permits]
    everything = any(names is None for names in cuts)
    granted = frozenset(iri for names in cuts if names is not None for iri in names)
    denied = frozenset(
        iri
        for _rule, part in view.forbids
        if part.piece.cut.attributes is not None and _cuts_attributes_only(part)
        for iri in part.piece.cut.attributes
    )
    if not infos:
        return Shown(
            granted=() if everything else tuple(clauses.short_names(granted - denied)),
            withheld=tuple(clauses.short_names(denied)),
        )
    by_iri = {expand(info.name): info.name for info in infos}
    visible = {iri for iri in by_iri if (everything or iri in granted) and iri not in denied}
    return Shown(
        granted=tuple(name for iri, name in by_iri.items() if iri in visible),
        withheld=tuple(name for iri, name in by_iri.items() if iri not in visible),
    )


def _cuts_attributes_only(part: Alternative) -> bool:
    cut = part.piece.cut
    others = (cut.types, cut.area, cut.observed)
    return not part.conditions and not part.piece.ages and all(other is None for other in others)
