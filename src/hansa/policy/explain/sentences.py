"""The sentences of a policy in full, and the limits that no field of the slip shows."""

from __future__ import annotations

from hansa.kernel.jsonld import compact_ngsi_ld_name
from hansa.policy.explain import clauses
from hansa.policy.explain.clauses import capital
from hansa.policy.explain.model import Shown
from hansa.policy.explain.view import View
from hansa.policy.normal import Alternative
from hansa.policy.tree import Atom, Node, Rule
from hansa.policy.vocabulary import DATE_TIME, IN_FORCE_DATE, requests_of
from hansa.policy.words import _, condition_text, list_text


def sentences(view: View, who: str, what: str, whom: str, shown: Shown) -> list[str]:
    """Give the terms in full, one sentence for each."""
    found = [capital(_("{who} lets {whom} use {what}.").format(who=who, whom=whom, what=what))]
    if not view.permits:
        found = [_("What is not permitted is denied, and nothing is permitted.")]
    if len(view.permits) == 1:
        found.extend(_of_single(view, shown))
    elif view.permits:
        found.append(_("Visible is the sum of these parts:"))
        for number, (rule, part) in enumerate(view.permits, 1):
            found.append(_("Part {n}: {text}.").format(n=number, text=_part_text(view, rule, part)))
    found.extend(_of_prohibitions(view))
    if shown.withheld:
        found.append(
            _("Withheld: {names}.").format(names=list_text(view.titles_of(shown.withheld)))
        )
    found.extend(_of_problems(view))
    return found


def _of_single(view: View, shown: Shown) -> list[str]:
    rule, part = view.permits[0]
    found = _of_action(rule)
    for node in part.conditions:
        text = condition_text(node, view.zone)
        found.append(_("Use is allowed only {condition}.").format(condition=text))
    if clause := clauses.types_clause(part):
        found.append(_("Visible are only {clause}.").format(clause=clause))
    if clause := clauses.area_clause(part):
        found.append(_("Visible is only what lies {clause}.").format(clause=clause))
    if clause := clauses.time_clause(part, view.zone):
        found.append(
            _(
                "Visible are only values {clause}. Facts without an observation time stay visible."
            ).format(clause=clause)
        )
    if part.piece.cut.attributes is not None:
        names = list_text(view.titles_of(shown.granted)) or _("none")
        found.append(_("Visible attributes: {names}.").format(names=names))
        found.extend(_of_absent(part, shown))
    if not clauses.clauses(part, view.zone):
        found.append(_("All of the data is visible."))
    return found


def _of_absent(part: Alternative, shown: Shown) -> list[str]:
    """Name attributes that the terms grant but the dataset does not have."""
    known = {compact_ngsi_ld_name(name) for name in (*shown.granted, *shown.withheld)}
    granted = clauses.short_names(part.piece.cut.attributes or ())
    absent = [name for name in granted if name not in known]
    if not absent:
        return []
    return [
        _("The terms also name {names}, which the data do not have.").format(
            names=list_text(absent)
        )
    ]


def _of_action(rule: Rule) -> list[str]:
    if rule.actions == requests_of("use"):
        return []
    names = list_text(sorted(rule.actions), last=_("or"))
    return [_("The only kind of use permitted is: {names}.").format(names=names)]


def _part_text(view: View, rule: Rule, part: Alternative) -> str:
    found = clauses.clauses(part, view.zone) or [_("all of the data")]
    found.extend(condition_text(node, view.zone) for node in part.conditions)
    if rule.actions != requests_of("use"):
        found.append(_("for {names} only").format(names=list_text(sorted(rule.actions))))
    return "; ".join(found)


def _of_prohibitions(view: View) -> list[str]:
    found: list[str] = []
    stops = False
    for _rule, part in view.forbids:
        conditions = _(", and ").join(condition_text(n, view.zone) for n in part.conditions)
        if part.scoped:
            cut = "; ".join(clauses.clauses(part, view.zone))
            form = _("Left out {condition}: {cut}.") if conditions else _("Left out: {cut}.")
            found.append(form.format(condition=conditions, cut=cut))
        else:
            stops = True
            form = _("Use is forbidden {condition}.") if conditions else _("Use is forbidden.")
            found.append(form.format(condition=conditions))
    if stops:
        found.append(
            {
                "perm": _("Where a permission and a prohibition meet, the permission counts."),
                "prohibit": _("Where a permission and a prohibition meet, the prohibition counts."),
                "invalid": _("Where a permission and a prohibition meet, nothing is permitted."),
            }[view.policy.conflict]
        )
    return found


def _of_problems(view: View) -> list[str]:
    return [
        _("The terms also hold something that this node can't enforce: {what}").format(
            what=problem.title
        )
        for problem in view.problems
    ]


def limits(view: View) -> list[str]:
    """Give what the other fields of the slip do not show."""
    found: list[str] = []
    for _rule, part in view.permits:
        if clause := clauses.types_clause(part):
            found.append(capital(clause))
        found.extend(capital(clauses.age_text(a)) for a in clauses.sorted_ages(part.piece.ages))
        found.extend(
            _("Only {condition}").format(condition=condition_text(node, view.zone))
            for node in part.conditions
            if not _is_shown(node)
        )
    found.extend(_of_prohibitions(view))
    found.extend(_of_problems(view))
    return list(dict.fromkeys(found))


def _is_shown(node: Node) -> bool:
    """Say whether a condition has its own place on the slip: purpose and end date."""
    if not isinstance(node, Atom):
        return False
    if node.left in (DATE_TIME, IN_FORCE_DATE):
        return node.operator in ("lt", "lteq")
    return clauses.purpose_text([node]) is not None
