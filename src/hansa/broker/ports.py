"""What the broker needs from outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hansa.broker.model import Geometry, GeoQuery
from hansa.kernel.jsonld import TermMap
from hansa.kernel.store import Tx
from hansa.policy import Area

if TYPE_CHECKING:
    from hansa.broker.store.sql import Sql


class Contexts(Protocol):
    """Give the names of a `@context` (`hansa.kernel.jsonld.ContextRegistry`)."""

    async def term_map(self, context: Any) -> TermMap:
        """Compile a context; HansaError context_unavailable when it is not to be had."""
        ...


class Dialect(Protocol):
    """What a store adapter says in its own way."""

    backend: str

    def placeholders(self, text: str) -> str:
        """Write a statement with the adapter's sign for a parameter."""
        ...

    def numbers(self, tx: Tx, count: int) -> list[int]:
        """Give new row numbers for entities, rising."""
        ...

    def one_of(self, column: str, values: Sequence[int] | Sequence[str]) -> Sql:
        """Give the condition that a column is one of these values."""
        ...

    def index(self, name: str | None) -> str:
        """Say which index a scan of the entities uses; None looks rows up by number."""
        ...

    def row(self, table: str, alias: str) -> str:
        """Name a table whose rows are looked up by their key, of which the entity comes first."""
        ...

    def save_geometries(
        self, tx: Tx, p: int, rows: Iterable[tuple[int, int, int, int, int | None, Geometry]]
    ) -> None:
        """Insert (g, n, a, d, observed, geometry) rows."""
        ...

    def drop_geometries(self, tx: Tx, p: int, numbers: Iterable[int], *, keep: bool) -> None:
        """Take geometries out of the index; `keep` leaves the rows themselves."""
        ...

    def covered(self, area: Area) -> Sql:
        """Give the condition that the location of entity `e` lies in the area."""
        ...

    def related(self, query: GeoQuery) -> Sql:
        """Give the condition that geometry row `m` stands in the relation of the query."""
        ...

    def boxed(self, p: int, a: int, box: tuple[float, float, float, float]) -> Sql:
        """Give a statement that lists `n` of the entities whose geometry may touch the box."""
        ...
