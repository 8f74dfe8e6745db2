"""Make the story's geodata: the buildings of a part of Delft, cut into two halves.

Source: `tests/data/delft.city.jsonl` of the Rust crate fcb_core 0.7.8, a CityJSONSeq 2.0 in
EPSG:7415 with 1,115 buildings of 3DBAG v2024.04.20 by tudelft3d and 3DGI, CC BY 4.0.

    python scripts/extract_delft.py                        # lets cargo fetch the crate
    python scripts/extract_delft.py --crate-archive FILE   # a fcb_core-0.7.8.crate at hand
    python scripts/extract_delft.py --source FILE          # delft.city.jsonl, also gzipped

Writes src/hansa/story/data/delft.json.gz; the same input gives the same bytes. What is left out
and how the area is cut is written in src/hansa/story/README.md. Needs the extra `geo` (pyproj).
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyproj
import shapely
from shapely import LineString, Polygon, box
from shapely.ops import split

CRATE, CRATE_VERSION = "fcb_core", "0.7.8"
MEMBER = f"{CRATE}-{CRATE_VERSION}/tests/data/delft.city.jsonl"
OUTPUT = Path(__file__).resolve().parent.parent / "src/hansa/story/data/delft.json.gz"
ATTRIBUTION = "© 3DBAG by tudelft3d and 3DGI, version v2024.04.20, CC BY 4.0"
TOLERANCE_M = 0.05

# The border in RD New (EPSG:28992, metres): the street that runs from the north-west to the
# middle, then open ground to the southern edge. It touches no building.
BORDER = (
    (84610.3, 447000.0),
    (84979.5, 446333.9),
    (85005.0, 446180.0),
    (85095.0, 446090.0),
    (85112.0, 445940.0),
    (85112.0, 445790.0),
)
EXTENT = (84400.0, 445790.0, 85800.0, 447000.0)

STATUS = {
    "Pand in gebruik": "in use",
    "Pand in gebruik (niet ingemeten)": "in use, not surveyed",
    "Verbouwing pand": "under alteration",
    "Sloopvergunning verleend": "demolition permitted",
}
LEFT_OUT = {"Pand ten onrechte opgevoerd"}  # registered by mistake: there is no such building


def fetch_crate() -> bytes:
    """Let cargo download the crate into a folder of its own and give the archive."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "src").mkdir()
        (root / "src/lib.rs").touch()
        (root / "Cargo.toml").write_text(
            '[package]\nname = "extract"\nversion = "0.0.0"\nedition = "2021"\n'
            f'[dependencies]\n{CRATE} = "={CRATE_VERSION}"\n'
        )
        environment = os.environ | {"CARGO_HOME": str(root / "cargo")}
        subprocess.run(["cargo", "fetch", "--quiet"], cwd=root, env=environment, check=True)
        return next(root.glob(f"cargo/registry/cache/*/{CRATE}-{CRATE_VERSION}.crate")).read_bytes()


def read_lines(arguments: argparse.Namespace) -> list[str]:
    """Give the lines of the CityJSONSeq from wherever the caller has it."""
    if arguments.source:
        data = arguments.source.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return str(data, "utf-8").splitlines()
    archive = arguments.crate_archive.read_bytes() if arguments.crate_archive else fetch_crate()
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as crate:
        member = crate.extractfile(MEMBER)
        assert member is not None, f"the crate holds no {MEMBER}"
        text: str = member.read().decode()
        return text.splitlines()


def footprints(lines: list[str]) -> Iterator[tuple[str, Polygon, dict[str, Any]]]:
    """Give id, LoD 0 footprint in RD New and attributes of each building."""
    header = json.loads(lines[0])
    assert header["metadata"]["referenceSystem"].endswith("/EPSG/0/7415")
    scale, translate = header["transform"]["scale"], header["transform"]["translate"]
    for line in lines[1:]:
        feature = json.loads(line)
        building = feature["CityObjects"][feature["id"]]
        surfaces = next(g for g in building["geometry"] if g["lod"] == "0")["boundaries"]
        assert len(surfaces) == 1, f"{feature['id']} has {len(surfaces)} footprints"
        shell, *holes = (
            [
                (
                    feature["vertices"][index][0] * scale[0] + translate[0],
                    feature["vertices"][index][1] * scale[1] + translate[1],
                )
                for index in ring
            ]
            for ring in surfaces[0]
        )
        yield feature["id"], Polygon(shell, holes), building["attributes"]


def rings(polygon: Polygon, to_wgs84: pyproj.Transformer) -> list[list[list[float]]]:
    """Give the closed rings in lon/lat with 7 decimals (1 cm), simplified by 5 cm."""
    simple = polygon.simplify(TOLERANCE_M)
    chosen = simple if simple.is_valid and not simple.is_empty else polygon
    world = shapely.transform(chosen, to_wgs84.transform, interleaved=False)
    world = shapely.orient_polygons(world)  # shells counter-clockwise (RFC 7946 3.1.6)
    rounded = [
        [[round(x, 7), round(y, 7)] for x, y in ring.coords]
        for ring in (world.exterior, *world.interiors)
    ]
    assert Polygon(rounded[0], rounded[1:]).is_valid
    return rounded


def record(
    name: str, half: str, shape: list[list[list[float]]], facts: dict[str, Any]
) -> dict[str, Any]:
    """Give what the story keeps of one building; heights in m NAP, float noise rounded away."""
    return {
        "id": name,
        "half": half,
        "footprint": shape,
        "ground_m": round(facts["b3_h_maaiveld"], 2),
        "roof_m": round(facts["b3_h_dak_70p"], 2),
        "storeys": facts["b3_bouwlagen"],
        "year": facts["oorspronkelijkbouwjaar"],
        "area_m2": round(facts["b3_opp_grond"], 1),
        "volume_m3": round(facts["b3_volume_lod22"], 1),
        "roof": facts["b3_dak_type"],
        "status": STATUS[facts["status"]],
    }


def extract(lines: list[str]) -> dict[str, Any]:
    """Give the document: attribution, border and the buildings of both halves, sorted by id."""
    to_wgs84 = pyproj.Transformer.from_crs("EPSG:28992", "OGC:CRS84", always_xy=True)
    border = LineString(BORDER)
    west, east = sorted(split(box(*EXTENT), border).geoms, key=lambda part: part.centroid.x)
    buildings = []
    for name, polygon, facts in footprints(lines):
        if facts["status"] in LEFT_OUT:
            continue
        assert not polygon.intersects(border), f"the border cuts {name}"
        half = "west" if west.contains(polygon) else "east"
        assert half == "west" or east.contains(polygon), f"{name} lies outside"
        buildings.append(record(name, half, rings(polygon, to_wgs84), facts))
    line = shapely.transform(border, to_wgs84.transform, interleaved=False)
    return {
        "attribution": ATTRIBUTION,
        "licence": "https://creativecommons.org/licenses/by/4.0/",
        "source": f"crate {CRATE} {CRATE_VERSION}, tests/data/delft.city.jsonl",
        "border": [[round(x, 7), round(y, 7)] for x, y in line.coords],
        "buildings": sorted(buildings, key=lambda building: str(building["id"])),
    }


def main() -> None:
    """Read the arguments, extract and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--source", type=Path, help="delft.city.jsonl, also gzipped")
    parser.add_argument("--crate-archive", type=Path, help=f"{CRATE}-{CRATE_VERSION}.crate")
    document = extract(read_lines(parser.parse_args()))
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    halves = [building["half"] for building in document["buildings"]]
    print(
        f"{OUTPUT.name}: {OUTPUT.stat().st_size:,} bytes, "
        f"{halves.count('west')} buildings west, {halves.count('east')} east"
    )


if __name__ == "__main__":
    main()
