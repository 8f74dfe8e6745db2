"""Scopes and queries turned into SQL once, and kept for the next request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from hansa.broker.model import Query, Slice, TypeSelection
from hansa.broker.ports import Dialect
from hansa.broker.store.selection import Selection, compile_query
from hansa.broker.store.vocabulary import Vocabulary
from hansa.broker.store.world import World, world_of
from hansa.policy import Cut, Scope

COMPILED_MAX = 512
SHORT_PAGE = 200
R = TypeVar("R")


class Compiled:
    """Worlds and selections by what they were made of, for one picture of the names."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._kept: OrderedDict[Any, Any] = OrderedDict()

    def world(
        self,
        vocabulary: Vocabulary,
        scope: Scope,
        types: TypeSelection | None,
        *,
        deleted: bool = False,
    ) -> World:
        """Give what exists of these types in a scope; see `world_of`."""

        def make() -> World:
            kinds = vocabulary.selected(types)
            return world_of(self._dialect, vocabulary, scope, kinds, deleted=deleted)

        return self._once((vocabulary.generation, scope, types, deleted), make)

    def selection(self, vocabulary: Vocabulary, scope: Scope, query: Query) -> Selection:
        """Give a query inside a scope; see `compile_query`."""

        def make() -> Selection:
            world = self.world(vocabulary, scope, query.types)
            return compile_query(self._dialect, vocabulary, world, query)

        return self._once((vocabulary.generation, scope, query), make)

    def _once(self, key: Any, make: Callable[[], R]) -> R:
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = make()
            if len(self._kept) > COMPILED_MAX:
                self._kept.popitem(last=False)
        result: R = found
        return result


def takes_long(scope: Scope, query: Query, part: Slice) -> bool:
    """Say whether a query may look at many entities, so that it should leave the event loop."""
    geo = query.geo
    if part.limit > SHORT_PAGE or query.order:
        return True
    if geo is not None and (geo.relation == "disjoint" or geo.farther):
        return True
    return part.count and not _counted(scope, query)


def _counted(scope: Scope, query: Query) -> bool:
    """Say whether counters know the number of what matches: only types restrict."""
    bare = query.q is None and query.geo is None and not query.existing
    return bare and not scope.denies and all(_of_types(cut) for cut in scope.permits)


def _of_types(cut: Cut) -> bool:
    return cut == Cut(types=cut.types)
