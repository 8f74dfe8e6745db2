"""Write a result file under build/bench, and print its figures."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def figure(
    name: str, value: float, unit: str, limit: float | None = None, peer: str | None = None
) -> dict[str, Any]:
    """Make one figure: its name, value, unit, the aim, and what it is compared with."""
    return {"name": name, "value": round(value, 4), "unit": unit, "limit": limit, "peer": peer}


def write(name: str, figures: list[dict[str, Any]], **conditions: Any) -> Path:
    """Write build/bench/<name>.json and print a line per figure."""
    body = {
        "conditions": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "system": platform.system(),
            "cores": os.cpu_count(),
            "load_before": round(os.getloadavg()[0], 2),
            "sqlite3_module": sqlite3.sqlite_version,
            **conditions,
        },
        "figures": figures,
    }
    path = ROOT / "build" / "bench" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    for item in figures:
        aim = f"   aim {item['limit']}" if item["limit"] is not None else ""
        peer = f"   peer: {item['peer']}" if item["peer"] else ""
        print(f"{item['name']:<28} {item['value']:>12} {item['unit']:<8}{aim}{peer}")
    print(f"written: {path.relative_to(ROOT)}")
    return path
