"""Words of the wire format, and short names under a context (NGSI-LD 1.9.1 4.5, 5.5.7)."""

from __future__ import annotations

from hansa.broker.errors import bad_data
from hansa.broker.model import AttributeType
from hansa.kernel.jsonld import TermMap, compact_ngsi_ld_name

NAME_LENGTH_MAX = 512
VALUE_MEMBER = {
    AttributeType.Property: "value",
    AttributeType.GeoProperty: "value",
    AttributeType.Relationship: "object",
    AttributeType.LanguageProperty: "languageMap",
    AttributeType.VocabProperty: "vocab",
    AttributeType.JsonProperty: "json",
    AttributeType.ListProperty: "valueList",
    AttributeType.ListRelationship: "objectList",
}
TYPES = {kind.name: kind for kind in AttributeType}
BY_MEMBER = {
    member: kind for kind, member in VALUE_MEMBER.items() if kind != AttributeType.GeoProperty
}
SYSTEM_MEMBERS = frozenset({"createdAt", "modifiedAt", "deletedAt", "instanceId"})


class Names:
    """Expand the names of one request, each once; refuse what can be no name."""

    def __init__(self, terms: TermMap) -> None:
        self._terms = terms
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, name: str) -> tuple[str, str]:
        """Give (IRI, short name under the core context) of a name of an attribute or type."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._read(name)
        return known

    def iri(self, name: str) -> str:
        """Give the IRI of a name."""
        return self.of(name)[0]

    def _read(self, name: str) -> tuple[str, str]:
        keyword = name.startswith("@") or not 0 < len(name) <= NAME_LENGTH_MAX
        iri = "@" if keyword else self._terms.expand(name)
        if iri.startswith("@") or not name.isprintable() or any(c in name for c in ' <>"\\'):
            raise bad_data(
                f"{name[:40]!r} can't be the name of an attribute or type.",
                f"Use 1 to {NAME_LENGTH_MAX} printable characters without spaces, not a keyword.",
                field=name[:40],
            )
        return iri, compact_ngsi_ld_name(iri)
