"""Which representation is wanted, and under which context names are read.

NGSI-LD 1.9.1 6.3.4-6.3.7.
"""

from __future__ import annotations

import re
from functools import lru_cache

from hansa.broker.errors import bad_data
from hansa.kernel import Code, HansaError

JSON = "application/json"
JSON_LD = "application/ld+json"
GEO_JSON = "application/geo+json"
CONTEXT_REL = "http://www.w3.org/ns/json-ld#context"

_LINK = re.compile(r"<([^<>]+)>\s*((?:;\s*[\w-]+\s*=\s*(?:\"[^\"]*\"|[^\s;,\"]+)\s*)*)")


@lru_cache(maxsize=1024)
def media_type(accept: str | None, *, geo: bool) -> str:
    """Choose the representation by the Accept header (6.3.4); HansaError not_acceptable if none.

    Weights decide, then the order json, ld+json, geo+json.
    """
    offered = (JSON, JSON_LD, GEO_JSON) if geo else (JSON, JSON_LD)
    if not accept:
        return JSON
    best, best_weight = None, 0.0
    for one in offered:
        weight = _weight(one, accept)
        if weight > best_weight:
            best, best_weight = one, weight
    if best is None:
        raise HansaError(
            Code.not_acceptable,
            "None of the accepted representations can be given.",
            f"Accept one of {', '.join(offered)}.",
            supported=list(offered),
        )
    return best


def _weight(offered: str, accept: str) -> float:
    """Give the weight of a media type: that of the most specific range that fits (RFC 9110)."""
    best, rank = 0.0, -1
    for part in accept.split(","):
        fields = [field.strip() for field in part.split(";")]
        span = fields[0].lower()
        fits = {offered: 2, "application/*": 1, "*/*": 0}.get(span, -1)
        if fits > rank:
            rank, best = fits, 1.0
            for field in fields[1:]:
                if field.startswith("q="):
                    try:
                        best = float(field[2:])
                    except ValueError:
                        best = 0.0
    return best


@lru_cache(maxsize=1024)
def context_link(link: str | None) -> str | None:
    """Give the URL of the context in a Link header (6.3.5); HansaError when there are several."""
    if not link:
        return None
    found = [
        match[1]
        for match in _LINK.finditer(link)
        if re.search(rf'rel\s*=\s*"?{re.escape(CONTEXT_REL)}"?', match[2])
    ]
    if len(found) > 1:
        raise bad_data("There is more than one context in the Link header.", field="Link")
    return found[0] if found else None


def link_to_context(url: str) -> str:
    """Write the Link header of an answer in plain JSON (6.3.6)."""
    return f'<{url}>; rel="{CONTEXT_REL}"; type="{JSON_LD}"'
