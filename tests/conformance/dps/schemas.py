"""The official schemas of Data Plane Signaling 1.0 (RC3): every message of ours is held to them."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource

SHARED = Path(os.environ.get("HANSA_SHARED", Path(__file__).parents[4] / "shared"))
BASE = "https://w3id.org/dspace-sig/v1.0/"
HTTP_PROFILE = "https://w3id.org/dspace-sig/profile/http/data-address-schema.json"


@cache
def registry() -> Registry[Any]:
    """Read the schemas of signaling under the ids by which they name each other, and of DSP."""
    resources: list[tuple[str, Resource[Any]]] = []
    for path in sorted((SHARED / "vectors/dps-1.0/schemas").glob("**/*.json")):
        schema = json.loads(path.read_text())
        name = HTTP_PROFILE if "profiles" in path.parts else BASE + path.name
        resources.append((name, Resource.from_contents(schema)))
    for path in sorted((SHARED / "vectors/dsp-2025-1/schemas").glob("*/*.json")):
        text = path.read_text().replace(".json#definitions/", ".json#/definitions/")
        item = Resource.from_contents(json.loads(text))
        resources.append((item.id() or "", item))
    return Registry().with_resources(resources)


def names() -> set[str]:
    """Name the message schemas there are."""
    return {path.name for path in (SHARED / "vectors/dps-1.0/schemas").glob("*.json")}


def validate(name: str, document: Any) -> None:
    """Fail unless a document is valid by a schema: `DataFlowStatusMessage` or a full id."""
    url = name if name.startswith("https:") else f"{BASE}{name}.schema.json"
    schema = registry().contents(url)
    reference = {"$schema": schema["$schema"], "$ref": url}
    checker = jsonschema.validators.validator_for(schema)
    checker(reference, registry=registry()).validate(document)
