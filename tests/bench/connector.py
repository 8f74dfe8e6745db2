"""Measure the connector: `make bench-connector` writes build/bench/connector.json.

    python -m tests.bench.connector [--short] [--without edc,catalogue,bytes]

Everything is taken in one run on one machine. EDC keeps its state in memory, ours is durable: each
answer of ours is given after it is on the disk. Both are timed by a program beside them, from the
consumer's management API, warmed up, with the offer given whole, so that neither reads a catalogue.
What could not be measured here stands in the conditions with its reason.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import connector_catalogue, connector_edc, connector_hansa
from tests.bench.results import figure, write

Figures = list[dict[str, Any]]


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    runs: int = 200
    warm: int = 100
    parallel: int = 1_000
    edc_runs: int = 60
    edc_warm: int = 50
    offers: int = 100_000
    transferred_bytes: int = 10_000_000_000


SHORT = Extent(30, 20, 200, 5, 3, 10_000, 500_000_000)


def negotiations(folder: Path, extent: Extent, edc: dict[str, str]) -> Figures:
    """Measure ours, told against what EDC took in the same run."""
    found = connector_hansa.measure(
        folder, runs=extent.runs, warm=extent.warm, parallel=extent.parallel
    )
    peer = "; ".join(f"EDC {name}: {text}" for name, text in edc.items()) or None
    return [
        figure("negotiation_p50_ms", found["p50_ms"], "ms", 12, peer),
        figure("negotiation_p95_ms", found["p95_ms"], "ms"),
        figure("negotiation_with_catalogue_p50_ms", found["read_p50_ms"], "ms"),
        figure("negotiations_per_s", found["per_s"], "1/s", 400),
        figure("negotiations_parallel", extent.parallel, "1"),
        figure("negotiations_parallel_lost", found["lost"], "1", 0),
        figure("negotiation_cpu_ms", found["cpu_ms"], "ms"),
        figure("rss_provider_mb", found["rss_mb"][0], "MB", 100),
        figure("rss_consumer_mb", found["rss_mb"][1], "MB", 100),
    ]


def edc_negotiations(extent: Extent) -> tuple[Figures, dict[str, str]]:
    """Measure EDC under its default tick and under the one of its own end-to-end tests."""
    figures: Figures = []
    told: dict[str, str] = {}
    for name, tick_ms in (("default", None), ("tuned", 50)):
        found = connector_edc.measure(tick_ms, runs=extent.edc_runs, warm=extent.edc_warm)
        figures += [
            figure(f"edc_{name}_negotiation_p50_ms", found["p50_ms"], "ms"),
            figure(f"edc_{name}_negotiation_p95_ms", found["p95_ms"], "ms"),
            figure(f"edc_{name}_negotiations_lost", found["lost"], "1"),
            figure(f"edc_{name}_rss_mb", sum(found["rss_mb"]) / 2, "MB"),
        ]
        told[name] = f"{found['p50_ms']:.0f} ms"
    return figures, told


def catalogue(folder: Path, extent: Extent) -> Figures:
    """Measure pages of a large catalogue."""
    found = asyncio.run(connector_catalogue.measure(folder, number=extent.offers))
    size = f"{extent.offers // 1_000}k"
    return [
        figure(f"catalogue_{size}_first_page_ms", found["first_page_ms"], "ms", 20),
        figure(f"catalogue_{size}_filtered_page_ms", found["filtered_page_ms"], "ms", 20),
        figure(f"catalogue_{size}_private_page_ms", found["private_page_ms"], "ms", 20),
        figure(f"catalogue_{size}_box_page_ms", found["box_page_ms"], "ms", 20),
        figure(f"catalogue_{size}_walk_s", found["walk_s"], "s"),
        figure(f"catalogue_{size}_walk_pages", found["walk_pages"], "1"),
        figure(f"catalogue_{size}_rss_mb", found["rss_mb"], "MB", 150),
        figure(f"catalogue_{size}_published_per_s", found["published_per_s"], "1/s"),
    ]


def transferred(extent: Extent) -> Figures:
    """Measure the plane of bytes."""
    from tests.bench.bytes import measure

    return asyncio.run(measure(extent.transferred_bytes))


def main() -> None:
    """Take all figures and write the file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--short", action="store_true", help="a run of two minutes, to try it")
    options.add_argument("--without", default="", help="parts to leave out: edc,catalogue,bytes")
    given = options.parse_args()
    extent = SHORT if given.short else Extent()
    left_out = dict.fromkeys(filter(None, given.without.split(",")), "left out by --without")
    if "edc" not in left_out and (reason := connector_edc.why_not()) is not None:
        left_out["edc"] = reason
    figures: Figures = []
    edc: dict[str, str] = {}
    load = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory(prefix="hansa-bench-") as folder:
        if "edc" not in left_out:
            print("two EDC connectors ...", file=sys.stderr)
            of_edc, edc = edc_negotiations(extent)
            figures += of_edc
        print("two nodes ...", file=sys.stderr)
        figures = negotiations(Path(folder) / "space", extent, edc) + figures
        if "catalogue" not in left_out:
            print(f"a catalogue of {extent.offers:,} offers ...", file=sys.stderr)
            figures += catalogue(Path(folder), extent)
        if "bytes" not in left_out:
            print("bytes ...", file=sys.stderr)
            figures += transferred(extent)
    write(
        "connector",
        figures,
        load_before=load,
        short=given.short,
        store="SQLite, synchronous=FULL: an answer is given after the commit is on the disk",
        timed="from the request at the consumer's management API to FINALIZED seen there",
        wait="ours: one long poll; EDC: a poll every 5 ms",
        edc=left_out.get("edc") or f"{connector_edc.VERSION}, in memory, mock identity, heap 2 GB",
        edc_ticks_ms={"default": 1000, "tuned": 50},
        warmed_up={"hansa": extent.warm, "edc": extent.edc_warm},
        runs={"hansa": extent.runs, "edc": extent.edc_runs},
        left_out=left_out,
    )


if __name__ == "__main__":
    main()
