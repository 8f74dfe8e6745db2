"""What a template is made of; encodes to the JSON of `GET /api/v1/templates`."""

from __future__ import annotations

from typing import Literal

import msgspec

ParameterKind = Literal[
    "area", "attributes", "period", "date", "text", "choice", "duration", "number"
]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the form."""

    name: str
    title: str
    kind: ParameterKind
    required: bool
    help: str


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Terms that a steward can choose: a sentence, a form, examples of what passes and what not.

    With `any_of` at least one of the optional fields must be filled.
    """

    id: str
    title: str
    sentence: str
    parameters: tuple[Parameter, ...]
    allows: tuple[str, ...]
    denies: tuple[str, ...]
    any_of: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Give the names of the fields that state terms (the time zone only reads them)."""
        return frozenset(parameter.name for parameter in self.parameters) - {"time_zone"}
