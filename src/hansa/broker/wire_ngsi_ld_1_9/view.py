"""How an answer is to look (NGSI-LD 1.9.1 4.5, 4.21, 6.3.4-6.3.7)."""

from __future__ import annotations

from typing import Any

import msgspec

from hansa.kernel.jsonld import CORE, TermMap


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A representation. Attributes are IRIs; `only` None shows all of them.

    `form` is normalized, concise or simplified. `embedded` is the `@context` that is written into
    each entity (JSON-LD), None leaves it to the Link header. `geometry` names the attribute whose
    value becomes the geometry of a GeoJSON feature; None writes no GeoJSON.
    """

    form: str = "normalized"
    sys_attrs: bool = False
    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()
    with_id: bool = True
    with_type: bool = True
    terms: TermMap = CORE
    embedded: Any = None
    geometry: str | None = None

    @property
    def plain(self) -> bool:
        """Say whether stored fragments can be used as they are."""
        return (
            self.form == "normalized"
            and not self.sys_attrs
            and self.terms is CORE
            and self.geometry is None
            and self.with_id
            and self.with_type
        )

    @property
    def whole(self) -> bool:
        """Say whether stored entities can be used as they are."""
        return self.plain and self.only is None and not self.without


NORMALIZED = View()
SIMPLIFIED = View(form="simplified")
