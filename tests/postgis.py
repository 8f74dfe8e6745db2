"""A throw-away PostgreSQL with PostGIS, or the reason why there is none."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

MISSING = "PostGIS not found: apt-get install postgresql-15-postgis-3"


@pytest.fixture(scope="session")
def postgis_dsn(postgres_dsn: Callable[[], str]) -> Callable[[], str]:
    """Give what makes an empty database in which PostGIS can be had, or skip."""
    import psycopg

    with psycopg.connect(postgres_dsn()) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"
        ).fetchall()
    if not found:
        if os.environ.get("HANSA_REQUIRE_ALL") == "1":
            pytest.fail(f"{MISSING} (HANSA_REQUIRE_ALL=1 allows no skip)")
        pytest.skip(MISSING)
    return postgres_dsn
