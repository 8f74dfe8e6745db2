"""A catalogue of 100,000 offers over a real socket: pages, filters, memory.

The server is a process of its own with the catalogue's own routes; who calls is taken from the
header, so what is left out is the check of a token (0.5 ms). A tenth of the datasets are each meant
for one participant only.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from hansa.catalogue import Catalogue, DatasetDraft, OfferDraft, Selection, Served, routes
from hansa.identity import Caller
from hansa.kernel import SystemClock, SystemIds
from hansa.kernel.jsonld import DSP_CONTEXT_URL
from hansa.kernel.store.sqlite import SqliteDatabase

DID, READER = "did:web:bench", "did:web:reader-1"
FILTER = "https://w3id.org/hansa/catalogue/1/Filter"
THEME = "https://themes.example/{}"
_BATCH = 500
_RUNS = 60
_WORDS = ("roof", "shop", "tree", "canal", "meter", "light", "noise")
_USE: dict[str, Any] = {"permission": [{"action": "use"}]}


def draft(number: int) -> DatasetDraft:
    """Give the dataset of a number; every tenth is for one participant only."""
    west = 4 + number % 100 / 100
    return DatasetDraft(
        title=f"Measurements {number}",
        name=f"measurements-{number}",
        description=" ".join(_WORDS[(number // 7**place) % 7] for place in range(4)),
        offers=(OfferDraft(odrl=_USE),),
        selection=Selection(types=(f"https://types.example/Type{number % 50}",)),
        themes=(THEME.format(number % 20),),
        bbox=(west, 52.0, west + 0.005, 52.01),
        visible_to=(f"did:web:reader-{number // 10 % 1_000}",) if number % 10 == 9 else None,
    )


def opened(path: Path) -> tuple[Catalogue, SqliteDatabase]:
    """Open the catalogue in a file."""
    clock = SystemClock()
    database = SqliteDatabase.open(path, clock=clock)
    store = database.store("bench")
    return Catalogue(store, did=DID, name="Bench", ids=SystemIds(), clock=clock), database


async def fill(path: Path, number: int) -> float:
    """Publish so many datasets; give how many per second that were."""
    catalogue, database = opened(path)
    begun = time.perf_counter()
    for start in range(0, number, _BATCH):
        await catalogue.publish_all([draft(n) for n in range(start, min(start + _BATCH, number))])
    await database.close()
    return number / (time.perf_counter() - begun)


class _Gate:
    async def authenticate(self, headers: Mapping[str, str], *, membership: bool = True) -> Caller:
        return Caller(did=headers["authorization"], kind="participant")


def serve(path: Path, port: int) -> None:
    """Serve the catalogue in a file, as a node does."""
    import uvicorn
    from starlette.applications import Starlette

    catalogue, _ = opened(path)
    served = Served(catalogue, _Gate(), f"http://localhost:{port}/bench/dsp/2025-1")

    async def resolve(_: Any) -> Served:
        return served

    app = Starlette(routes=routes("/{participant}", resolve))
    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False)


async def measure(folder: Path, *, number: int) -> dict[str, float]:
    """Fill a catalogue, serve it and give milliseconds per page, pages of a walk and memory."""
    path = folder / "catalogue.sqlite"
    found = {"published_per_s": await fill(path, number)}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        [sys.executable, "-m", "tests.bench.connector_catalogue", str(path), str(port)],
        env={**os.environ},
    )
    try:
        async with aiohttp.ClientSession(headers={"Authorization": READER}) as session:
            url = f"http://localhost:{port}/bench/dsp/2025-1/catalog/request"
            await _up(session, url)
            found["first_page_ms"] = await _median(session, url, [])
            wanted = {"@type": FILTER, "theme": THEME.format(3), "text": "roof"}
            found["filtered_page_ms"] = await _median(session, url, [wanted])
            own = {"@type": FILTER, "theme": THEME.format(19)}
            found["private_page_ms"] = await _median(session, url, [own])
            box = {"@type": FILTER, "bbox": [4.3, 52.0, 4.31, 53.0]}
            found["box_page_ms"] = await _median(session, url, [box])
            found |= await _walk(session, url)
        found["rss_mb"] = _rss_mb(server.pid)
    finally:
        server.terminate()
        server.wait(20)
    return found


async def _ask(
    session: aiohttp.ClientSession, url: str, filters: list[dict[str, Any]]
) -> tuple[dict[str, Any], str | None]:
    message = {
        "@context": [DSP_CONTEXT_URL],
        "@type": "CatalogRequestMessage",
        **({"filter": filters} if filters else {}),
    }
    async with session.post(url, json=message) as answer:
        document = await answer.json()
        assert answer.status == 200, document
        link = answer.links.get("next")
        return document, None if link is None else str(link["url"])


async def _median(session: aiohttp.ClientSession, url: str, filters: list[dict[str, Any]]) -> float:
    taken: list[float] = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        document, _following = await _ask(session, url, filters)
        taken.append((time.perf_counter() - begun) * 1000)
    assert document.get("dataset"), filters
    return statistics.median(taken)


async def _walk(session: aiohttp.ClientSession, url: str) -> dict[str, float]:
    begun = time.perf_counter()
    following: str | None = f"{url}?limit=200"
    pages = datasets = 0
    while following is not None:
        document, following = await _ask(session, following, [])
        pages += 1
        datasets += len(document.get("dataset", []))
    return {
        "walk_pages": pages,
        "walk_datasets": datasets,
        "walk_s": time.perf_counter() - begun,
    }


async def _up(session: aiohttp.ClientSession, url: str) -> None:
    for _ in range(300):
        try:
            await _ask(session, url, [])
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("the catalogue was not served")


def _rss_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(file.read().split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
