"""The terms in one sentence, for the line in a list of results."""

from __future__ import annotations

from hansa.policy.explain import clauses
from hansa.policy.explain.model import Shown
from hansa.policy.explain.view import View
from hansa.policy.normal import Alternative
from hansa.policy.tree import Atom, Node
from hansa.policy.vocabulary import MEMBERSHIP
from hansa.policy.words import _, condition_text, instant_text, list_text, size_text


def summary(view: View, what: str, whom: str, shown: Shown) -> str:
    """Give the terms in one sentence; what it leaves out stands in the sentences."""
    if not view.permits:
        return _("These terms permit nothing that this node can enforce.")
    if len(view.permits) == 1:
        part = view.permits[0][1]
        cuts = _cuts(view, part, shown)
        form = _("{whom} may use {what}") if cuts else _("{whom} may use all of {what}")
        text = form.format(whom=whom, what=what)
        limits = [*cuts, *_conditions(view, part)]
    else:
        number = len(view.permits)
        text = _("{whom} may use {n} parts of {what}").format(whom=whom, n=number, what=what)
        limits = []
    ends = [clauses.last_use(part.conditions) for _rule, part in view.permits]
    known = [end for end in ends if end is not None]
    if known and len(known) == len(ends):
        limits.append(_("until {at}").format(at=instant_text(max(known), view.zone)))
    if view.forbids:
        limits.append(_("with exceptions"))
    if view.problems:
        limits.append(_("under further terms that this node can't enforce"))
    if limits:
        text = _("{text}: {limits}").format(text=text, limits="; ".join(limits))
    return clauses.capital(text) + "."


def _cuts(view: View, part: Alternative, shown: Shown) -> list[str]:
    """Say what is cut away, each in few words."""
    cut = part.piece.cut
    found: list[str] = []
    if clause := clauses.types_clause(part):
        found.append(_("only {clause}").format(clause=clause))
    if cut.area is not None:
        found.append(_("only inside an area of about {size}").format(size=size_text(cut.area)))
    if clause := clauses.time_clause(part, view.zone):
        found.append(_("only values {clause}").format(clause=clause))
    if cut.attributes is not None:
        names = list_text(view.titles_of(shown.granted)) or _("none")
        found.append(_("only the attributes {names}").format(names=names))
    return found


def _conditions(view: View, part: Alternative) -> list[str]:
    """Say which conditions there are beside membership and the end date."""
    return [
        condition_text(node, view.zone)
        for node in part.conditions
        if not _is_told(node) and clauses.last_use([node]) is None
    ]


def _is_told(node: Node) -> bool:
    return isinstance(node, Atom) and node.left == MEMBERSHIP
