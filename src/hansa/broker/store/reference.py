"""Which geometries of a query are too costly to compare with (NGSI-LD 1.9.1 4.10)."""

from __future__ import annotations

from hansa.broker.model import GeoQuery
from hansa.kernel import Code, HansaError

REPAIRED_POSITIONS_MAX = 32


def check_reference(query: GeoQuery) -> None:
    """Refuse a reference that crosses itself, unless it is small: HansaError too_complex.

    Repairing one takes time that grows with the fourth power of its positions: with 32 some
    40 ms, with 300 a quarter of a minute, in which nothing else on the node goes on.
    """
    if query.reference.point or query.distance_m is not None:
        return
    import shapely

    shape = shapely.from_wkb(query.reference.wkb)
    if shapely.get_num_coordinates(shape) > REPAIRED_POSITIONS_MAX and not shapely.is_valid(shape):
        raise HansaError(
            Code.too_complex,
            "The geometry of the query crosses itself.",
            f"Draw it without rings that cross, or with at most {REPAIRED_POSITIONS_MAX}"
            " positions.",
            field="coordinates",
            limit=REPAIRED_POSITIONS_MAX,
            status=400,
        )
