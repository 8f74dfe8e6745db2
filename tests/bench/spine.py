"""Measure the spine: `make bench` writes build/bench/spine.json.

Every figure is taken in one run on one machine. Ratios are the product; absolute figures are aims.
"""

from __future__ import annotations

import gc
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.results import figure, write
from tests.e2e.space import CONSUMER, PROVIDER, Space

_NEGOTIATIONS = 60
_WARM = 20
_READS = 600
_PAGE = "entities?type=EnergyUse&limit=20"


def first_governed_byte_s(space: Space) -> float:
    """Time from the start of `hansa up --fresh` to the story's first governed answer."""
    begin = time.perf_counter()
    process = space.start_up("--fresh")
    for line in process.stdout or ():
        if json.loads(line)["step"] == "read":
            taken = time.perf_counter() - begin
            break
    else:
        raise AssertionError("the story had no governed answer")
    process.communicate(timeout=60)
    return taken


def compiled(space: Space, folder: Path) -> None:
    """Let the processes keep their byte code in a folder, as an installation has it beside it."""
    space.environment.pop("PYTHONDONTWRITEBYTECODE", None)
    space.environment["PYTHONPYCACHEPREFIX"] = str(folder)


def rss_mb(space: Space) -> float:
    """Add up what the three processes hold, as `hansa status` reports it."""
    status = json.loads(space.hansa("status", "--json").stdout)
    return sum(float(node["rss_mb"]) for node in status["nodes"])


def negotiation_ms(space: Space) -> list[float]:
    """Negotiate, from the request at the consumer's API to FINALIZED seen there."""
    client, base = space.client(CONSUMER), f"/participants/{CONSUMER}"
    items = client.get(f"{base}/catalogue", {"q": "energy"})["items"]
    dataset = next(item for item in items if not item["own"])
    body = {
        "provider_did": dataset["publisher"]["did"],
        "dataset_id": dataset["id"],
        "offer_id": dataset["offers"][0]["id"],
    }
    taken = []
    for number in range(_WARM + _NEGOTIATIONS):
        begin = time.perf_counter()
        negotiation = client.post(f"{base}/negotiations", body)
        while client.get(f"{base}/negotiations/{negotiation['id']}")["state"] != "FINALIZED":
            if time.perf_counter() - begin > 20:
                raise AssertionError("a negotiation did not end")
        if number >= _WARM:
            taken.append((time.perf_counter() - begin) * 1000)
    return taken


def reader(url: str, authorization: str) -> Callable[[], float]:
    """Give a function that reads a URL once over a kept connection and gives milliseconds."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    path = f"{parts.path}?{parts.query}"

    def read() -> float:
        begin = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": authorization})
        answer = connection.getresponse()
        answer.read()
        taken = (time.perf_counter() - begin) * 1000
        assert answer.status == 200, answer.status
        return taken

    return read


def filter_overhead(space: Space, *, changing: bool = False) -> tuple[float, float]:
    """Give the p50 of a governed page of 20 and of the same page by the owner, in ms.

    `changing`: before each pair of pages the owner writes an entity that is on neither.
    """
    consumer = space.client(CONSUMER)
    base = f"/participants/{CONSUMER}"
    transfers = consumer.get(f"{base}/transfers")["items"]
    transfer = next(item for item in transfers if item["state"] == "STARTED")
    access = consumer.get(f"{base}/transfers/{transfer['id']}/access")
    provider = space.node(PROVIDER)
    governed = reader(f"{access['endpoint']}/{_PAGE}", access["authorization"])
    root = f"/{PROVIDER}/ngsi-ld/v1"
    own = reader(f"{provider.url}{root}/{_PAGE}", f"Bearer {provider.operator_token}")
    owner = space.client(PROVIDER)

    def pair(number: int) -> tuple[float, float]:
        if changing:
            written = [{"id": "urn:ngsi-ld:Bench:1", "type": "Bench", "number": number}]
            status, _, _ = owner.raw(
                "POST",
                f"{root}/entityOperations/upsert",
                json.dumps(written).encode(),
                {"Content-Type": "application/json"},
            )
            assert status in (201, 204), status
        if number % 2:
            return governed(), own()
        second = own()
        return governed(), second

    pairs = [pair(number) for number in range(_WARM + _READS)][_WARM:]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def main() -> None:
    """Take all figures and write the file."""
    from tests.bench.bench_broker import page_rps

    gc.disable()
    figures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="hansa-bench-") as folder:
        space = Space(Path(folder) / "space")
        compiled(space, Path(folder) / "bytecode")
        try:
            print("the story, three times ...", file=sys.stderr)
            first_governed_byte_s(space)  # leaves the byte code
            first = statistics.median(first_governed_byte_s(space) for _ in range(3))
            figures.append(figure("first_governed_byte_s", first, "s", 5, "EDC: 3 s to start one"))
            print("negotiations ...", file=sys.stderr)
            taken = negotiation_ms(space)
            p50 = statistics.median(taken)
            p95 = statistics.quantiles(taken, n=20)[-1]
            figures.append(figure("negotiation_p50_ms", p50, "ms", 50, "EDC default: 2013 ms"))
            figures.append(figure("negotiation_p95_ms", p95, "ms"))
            print("governed pages ...", file=sys.stderr)
            governed, own = filter_overhead(space)
            figures.append(figure("filter_overhead_ratio", governed / own, "ratio", 1.2))
            anew, again = filter_overhead(space, changing=True)
            figures.append(figure("filter_overhead_changing_ratio", anew / again, "ratio"))
            figures.append(figure("governed_page_p50_ms", governed, "ms"))
            figures.append(figure("owner_page_p50_ms", own, "ms"))
            memory = rss_mb(space)
            figures.append(figure("rss_three_nodes_mb", memory, "MB", 300, "EDC: 220 MB each"))
        finally:
            space.close()
    print("pages of 20 at 100 and 100,000 entities ...", file=sys.stderr)
    small, large = page_rps(100), page_rps(100_000)
    figures.append(figure("page_rps_100", small, "1/s", None, "coraine 0.3: 5574 on one core"))
    figures.append(figure("page_rps_100k", large, "1/s", None, "Antares: 1.2"))
    figures.append(figure("page_flatness_ratio", large / small, "ratio", 1.0))
    write("spine", figures, entities=[100, 100_000])


if __name__ == "__main__":
    main()
