"""A policy taken apart for showing: which rule is about which piece, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo

import msgspec

from hansa.kernel import HansaError
from hansa.policy.normal import Alternative, alternatives
from hansa.policy.tree import Policy, Rule


class View(msgspec.Struct, kw_only=True):
    """A policy taken apart for showing."""

    policy: Policy
    zone: tzinfo
    names: Mapping[str, str]
    titles: Mapping[str, str]
    permits: list[tuple[Rule, Alternative]]
    forbids: list[tuple[Rule, Alternative]]
    problems: list[HansaError]

    def name(self, identifier: str) -> str:
        """Give the title of a party or dataset, or its identifier."""
        return self.names.get(identifier, identifier)

    def titles_of(self, attributes: Iterable[str]) -> list[str]:
        """Give the titles of attributes; the name where there is no title."""
        return [self.titles.get(name) or name for name in attributes]


def view_of(
    policy: Policy, zone: tzinfo, names: Mapping[str, str], titles: Mapping[str, str]
) -> View:
    """Take a policy apart; rules without normal form become problems."""
    view = View(
        policy=policy,
        zone=zone,
        names=names,
        titles=titles,
        permits=[],
        forbids=[],
        problems=list(policy.problems),
    )
    for rule in policy.rules:
        try:
            found = alternatives(rule.constraints, rule.path)
        except HansaError as problem:
            view.problems.append(problem)
            continue
        (view.forbids if rule.forbids else view.permits).extend((rule, part) for part in found)
    return view
