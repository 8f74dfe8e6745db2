"""Contexts by URL, resolved offline: pinned documents first, then (when allowed) the web.

A pinned context is a document of our own making or one that the operator pinned by its exact URL.
What is not pinned is fetched through the guarded client only if a fetcher was given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hansa.kernel.errors import Code, HansaError
from hansa.kernel.jsonld.ngsi_ld import CORE, CORE_CONTEXT_URL, TermMap

Fetch = Callable[[str], Awaitable[Mapping[str, Any]]]
_CORE_STEM = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v"
_CORE_VERSIONS = ("1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9")
CORE_URLS = frozenset(
    [f"{_CORE_STEM}{version}.jsonld" for version in _CORE_VERSIONS]
    + ["https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"]
)
_DEPTH_MAX = 8
_TERMS_MAX = 20_000


class ContextRegistry:
    """Compile contexts to term maps and keep them (at most `size` compiled ones)."""

    def __init__(
        self,
        pinned: Mapping[str, Mapping[str, Any]] | None = None,
        fetch: Fetch | None = None,
        *,
        size: int = 512,
    ) -> None:
        self._pinned = dict(pinned or {})
        self._fetch = fetch
        self._size = size
        self._compiled: OrderedDict[tuple[str, ...], TermMap] = OrderedDict()

    async def term_map(self, context: Any) -> TermMap:
        """Give the term map of a `@context` value: URL, object, or list of these.

        HansaError context_unavailable when a URL is neither pinned nor to be had, invalid_field
        when the value is no context.
        """
        items = context if isinstance(context, list) else [context]
        urls = tuple(item for item in items if isinstance(item, str))
        cacheable = len(urls) == len(items)
        if cacheable and all(url in CORE_URLS for url in urls):
            return CORE
        if cacheable and urls in self._compiled:
            self._compiled.move_to_end(urls)
            return self._compiled[urls]
        definitions: dict[str, Any] = {}
        await self._collect(items, definitions, 0)
        compiled = TermMap(definitions)
        if cacheable:
            self._compiled[urls] = compiled
            if len(self._compiled) > self._size:
                self._compiled.popitem(last=False)
        return compiled

    async def _collect(self, items: list[Any], into: dict[str, Any], depth: int) -> None:
        if depth > _DEPTH_MAX:
            raise HansaError(
                Code.invalid_field,
                "The context refers to other contexts too deeply.",
                f"At most {_DEPTH_MAX} levels are followed.",
                field="@context",
            )
        for item in items:
            if item is None:
                continue
            if isinstance(item, str):
                if item in CORE_URLS:
                    continue
                document = await self._document(item)
                inner = document.get("@context", {})
                await self._collect(inner if isinstance(inner, list) else [inner], into, depth + 1)
            elif isinstance(item, Mapping):
                into.update(item)
            else:
                raise HansaError(
                    Code.invalid_field,
                    "A context is a URL, an object, or a list of these.",
                    field="@context",
                )
            if len(into) > _TERMS_MAX:
                raise HansaError(
                    Code.too_complex,
                    "The context defines too many terms.",
                    f"At most {_TERMS_MAX} are read.",
                    field="@context",
                )

    async def _document(self, url: str) -> Mapping[str, Any]:
        if url in self._pinned:
            return self._pinned[url]
        if self._fetch is None:
            raise HansaError(
                Code.context_unavailable,
                f"The context {url} is not available here.",
                "Pin it in the settings under `jsonld.pinned`, or use the core context.",
                field="@context",
            )
        try:
            return await self._fetch(url)
        except HansaError as error:
            raise HansaError(
                Code.context_unavailable,
                f"The context {url} could not be read.",
                error.title,
                field="@context",
            ) from error


__all__ = ["CORE_CONTEXT_URL", "CORE_URLS", "ContextRegistry"]
