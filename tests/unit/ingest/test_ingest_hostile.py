"""Files that are wrong on purpose: an answer with a reason, never a crash."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from ingest_files import city_box, city_document, feature, point

from hansa.ingest import apply, read_source, suggest_mapping
from hansa.kernel import HansaError

JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, "x", "", [], {}, [[]], {"a": 1}, [1, 2], "2022-01-01",
    12345678901234567890, 0.5, ["a"],
)  # fmt: skip
RING = [[4, 52], [5, 52], [5, 53], [4, 52]]
TABLE = b'id;time;lat;lon;x [kWh]\r\n1;2022-01-01T10:00Z;52,1;4,3;1.000,5\r\n2;x;y;z;"q"\r\n'


def _collection() -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "EPSG:4326"}},
        "features": [
            feature({"type": "Polygon", "coordinates": [RING]}, name="a", t="2022-01-01 10:00"),
            feature({"type": "MultiPolygon", "coordinates": [[RING]]}, name="b", v=3.5),
            feature(point(4, 52), name="c", v="many"),
        ],
    }


def _model() -> dict[str, Any]:
    box, plain = city_box(), city_box(semantics=False)
    part = {**box["object"], "type": "BuildingPart", "parents": ["a"]}
    objects = {"a": {**plain["object"], "children": ["p"]}, "p": part, "b": box["object"]}
    return city_document(objects, box["vertices"])


def _paths(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(part, dict | list):
        for key in part if isinstance(part, dict) else range(len(part)):
            yield (*path, key)
            yield from _paths(part[key], (*path, key))


def _spoil(document: Any, chance: random.Random) -> None:
    """Replace or drop up to three parts, at any depth."""
    for _ in range(chance.randint(1, 3)):
        paths = list(_paths(document))
        if not paths:
            return
        path = chance.choice(paths)
        part = document
        for key in path[:-1]:
            part = part[key]
        if chance.random() < 0.3:
            del part[path[-1]]
        else:
            part[path[-1]] = copy.deepcopy(chance.choice(JUNK))


def _read(data: bytes) -> HansaError | None:
    """Publish as far as it goes; only HansaError may come out."""
    try:
        source = read_source(data, "file")
        result = apply(suggest_mapping(source), source, dataset="test")
        list(result.temporal())
    except HansaError as refusal:
        return refusal
    json.dumps(list(result.entities()), allow_nan=False)
    assert result.summary.accepted + result.summary.rejected == result.summary.rows
    return None


def _check(data: bytes) -> None:
    refusal = _read(data)
    assert refusal is None or (refusal.title and "field" in refusal.facts)


@pytest.mark.parametrize("make", [_collection, _model])
@pytest.mark.parametrize("seed", range(4))
def test_spoiled_documents_are_told(make: Any, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        document = make()
        _spoil(document, chance)
        _check(json.dumps(document).encode())


@pytest.mark.parametrize("seed", range(4))
def test_spoiled_bytes_are_told(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        data = bytearray(chance.choice([TABLE, json.dumps(_collection()).encode()]))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.choice(b'0,;"{}[]\n\x00\xff')
            else:
                del data[at : at + chance.randint(1, 9)]
        _check(bytes(data))
