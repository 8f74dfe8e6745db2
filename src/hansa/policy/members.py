"""Members of JSON-LD objects by plain ODRL name, and the bookkeeping of one reading.

Whatever is not known is refused with its path; only empty lists say nothing and are passed over
(EDC writes `prohibitions: []`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hansa.kernel import HansaError
from hansa.policy.errors import invalid, too_large, unsupported
from hansa.policy.operands import NameExpander
from hansa.policy.vocabulary import PREFIXES, expand_term, odrl_name

CONSTRAINTS_MAX = 1_000
_REFERENCES_MAX = 1_000
_DUTIES = "Duties are not carried out yet."
_WHY = {
    "obligation": _DUTIES,
    "duty": _DUTIES,
    "consequence": _DUTIES,
    "remedy": _DUTIES,
    "refinement": "Refinements can't be written in DSP; the Hansa profile cuts data instead.",
    "inheritFrom": "Policies of elsewhere are not fetched.",
    "rightOperandReference": "Nothing that a policy names is fetched.",
    "unit": "Values are compared as they are written.",
    "status": "The state of a constraint is measured here, never declared.",
    "output": "The result of a use leaves our reach.",
    "hasPolicy": "Rules of another policy would apply unseen.",
    "constraint": "A constraint on the whole policy is not evaluated in ODRL.",
}


def why_not(name: str) -> str:
    """Give the reason why a member of ODRL is not read."""
    return _WHY.get(name, "Nothing may be passed over in a contract.")


class Reading:
    """One pass over one policy: its prefixes, how much was read, what was noted.

    A lenient reading notes a refusal and goes on; it is for showing a foreign policy and for
    listing every problem at once, never for deciding.
    """

    def __init__(self, expand: NameExpander, *, lenient: bool = False) -> None:
        self.expand = expand
        self.lenient = lenient
        self.prefixes: Mapping[str, str] = PREFIXES
        self.problems: list[HansaError] = []
        self._count = 0

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note a refusal inside when the reading is lenient; else let it pass through."""
        try:
            yield
        except HansaError as problem:
            if not self.lenient:
                raise
            self.problems.append(problem)

    def spend(self, path: str) -> None:
        """Count one rule or constraint against `CONSTRAINTS_MAX`."""
        self._count += 1
        if self._count > CONSTRAINTS_MAX:
            raise too_large(path, "rules and constraints", CONSTRAINTS_MAX)

    def plain(self, value: Any) -> str:
        """Give the plain ODRL name of a word, CURIE, IRI or `{"@id"}`; empty for anything else."""
        text = value.get("@id") if isinstance(value, Mapping) and set(value) == {"@id"} else value
        return odrl_name(text, self.prefixes) if isinstance(text, str) else ""

    def members(self, node: Any, path: str, known: frozenset[str]) -> dict[str, Any]:
        """Give the members by plain ODRL name; refuse unknown ones, pass over empty lists."""
        if not isinstance(node, Mapping):
            raise invalid(path, "It is no JSON object.", "Write it as an object.")
        found: dict[str, Any] = {}
        for key, value in node.items():
            if isinstance(value, list | tuple) and not value:
                continue
            name = odrl_name(key, self.prefixes) if isinstance(key, str) else str(key)
            name = "xone" if name == "xor" else name  # spelling before ODRL 2.2
            where = f"{path}.{name}" if path else name
            with self.noting():
                if name not in known:
                    raise _unknown_member(name, where, known)
                if name in found:
                    raise invalid(where, "It is stated twice.", "State it once.")
                if value is None:
                    raise invalid(where, "It is null.", "Write a value or leave it out.")
                found[name] = value
        return found

    def references(self, value: Any, path: str) -> list[tuple[str, str]]:
        """Read a string, `{"@id"}` or a list of these: (path, IRI) each."""
        items = listed(value)
        if len(items) > _REFERENCES_MAX:
            raise too_large(path, "values", _REFERENCES_MAX)
        found: list[tuple[str, str]] = []
        for index, item in enumerate(items):
            where = f"{path}[{index}]" if isinstance(value, list | tuple) else path
            if isinstance(item, Mapping):
                extra = [str(key) for key in item if key != "@id"]
                if extra:
                    name = odrl_name(extra[0], self.prefixes)
                    raise unsupported(f"{where}.{name}", name, "Collections are not resolved here.")
                item = item.get("@id")
            if not isinstance(item, str) or not item.strip():
                raise invalid(where, "It is no identifier.", "Write one IRI as a string.")
            found.append((where, expand_term(item, self.prefixes) or item))
        return found

    def one_reference(self, node: Mapping[str, Any], name: str) -> str | None:
        """Read a member that names one thing at most."""
        found = self.references(node.get(name, []), name)
        if len(found) > 1:
            raise invalid(name, "A policy names one here.", "Write one policy for each.")
        return found[0][1] if found else None


def listed(value: Any) -> list[Any]:
    """Give a list as it is, a single value as a list of one, nothing as none."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _unknown_member(name: str, path: str, known: frozenset[str]) -> HansaError:
    singular = name.removesuffix("s")
    hint = f"Did you mean `{singular}`?" if singular != name and singular in known else ""
    return unsupported(path, name, why_not(name), next_step=hint)
