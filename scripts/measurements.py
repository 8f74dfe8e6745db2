"""Write the last figures of `make bench-connector` into docs/measurements.md.

    python scripts/measurements.py [build/bench/connector.json]

What stands between the two marks of the page is replaced; the words around it stay.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "measurements.md"
BEGIN, END = "<!-- connector: begin -->", "<!-- connector: end -->"


def number(value: float) -> str:
    """Write a figure with four digits at most."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def rendered(body: dict[str, Any]) -> str:
    """Write conditions and figures of one run."""
    conditions = body["conditions"]
    day = datetime.now(UTC).date()
    lines = [
        f"Published on {day}: {conditions['cores']} cores, {conditions['system']} "
        f"{conditions['machine']}, Python {conditions['python']}; "
        f"load of the machine before the run: {conditions['load_before']}. "
        f"Store: {conditions['store']}. Timed {conditions['timed']}; {conditions['wait']}. "
        f"EDC: {conditions['edc']}.",
        "",
        "| figure | value | aim | compared with |",
        "|---|---|---|---|",
    ]
    for item in body["figures"]:
        unit = "" if item["unit"] in ("1", "ratio") else f" {item['unit']}"
        aim = "none" if item["limit"] is None else number(item["limit"])
        peer = item["peer"] or "none"
        lines.append(f"| `{item['name']}` | {number(item['value'])}{unit} | {aim} | {peer} |")
    for part, reason in conditions.get("left_out", {}).items():
        lines += ["", f"Not measured in this run: {part} ({reason})."]
    return "\n".join(lines)


def main() -> None:
    """Replace the table in the page."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/bench/connector.json"
    body = json.loads(source.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"{PAGE} has no marks for the connector"
    text = f"{before}{BEGIN}\n{rendered(body)}\n{END}{after}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
