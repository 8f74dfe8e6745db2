"""The same space on PostgreSQL: the story runs, and survives a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.space import CONSUMER, PROVIDER, Space

NODES = ("authority", PROVIDER, CONSUMER)


@pytest.fixture
def space_on_postgres(tmp_path: Path, postgis_dsn: Callable[[], str]) -> Iterator[Space]:
    """Give a space whose three nodes keep their state in three PostgreSQL databases."""
    own = Space(tmp_path / "postgres")
    own.hansa("init", "authority", "--role", "authority", "--approve-automatically")
    for name in (PROVIDER, CONSUMER):
        own.hansa("init", name, "--authority", "authority", "--title", name.title())
    for name in NODES:
        file = own.node(name).settings_file
        text = file.read_text()
        file.write_text(f'{text}\n[store]\nbackend = "postgres"\ndsn = "{postgis_dsn()}"\n')
    yield own
    own.close()


@pytest.mark.postgres
def test_the_story_runs_on_postgresql(space_on_postgres: Space) -> None:
    space = space_on_postgres
    steps = space.up()
    assert {step["step"] for step in steps} >= {"negotiate", "transfer", "read"}
    node = space.client(CONSUMER).get("/node")
    assert node["backend"] == "postgres"
    base = f"/participants/{CONSUMER}"
    agreement = space.client(CONSUMER).get(f"{base}/agreements")["items"][0]
    transfer = space.client(CONSUMER).get(f"{base}/transfers")["items"][0]
    path = f"/api/v1{base}/transfers/{transfer['id']}/data/entities?type=EnergyUse&count=true"
    status, headers, _ = space.client(CONSUMER).raw("GET", path)
    assert (status, headers["ngsild-results-count"]) == (200, "31")
    space.down()
    space.up()
    kept = space.client(CONSUMER).get(f"{base}/agreements")["items"]
    assert [item["id"] for item in kept] == [agreement["id"]]
    status, _, _ = space.client(CONSUMER).raw("GET", path)
    assert status == 200
