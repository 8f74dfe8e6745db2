"""The ids of the scenarios, and what becomes of them as `build/conformance/dps.json`."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

SUITE = "dps-1.0-rc3 scenarios"
VERSION = "1.0-RC3"
PATTERN = r"test_((?:cp|dp)_(?:c|p)(?:_http)?(?:_pull|_push)?)_(\d\d_\d\d)"
_PUSH = ("01_01", "01_02", "02_01", "02_02", "03_01", "04_01")
IDS = tuple(
    f"{group}:{scenario.replace('_', '-')}"
    for group, scenarios in {
        "CP_C": _PUSH[:5],
        "CP_P": _PUSH[:5],
        "DP_C_PULL": _PUSH,
        "DP_P_PULL": (*_PUSH[:4], "04_01"),
        "DP_C_PUSH": _PUSH,
        "DP_P_PUSH": _PUSH,
        "DP_C_HTTP_PULL": ("01_01", "02_01"),
        "DP_P_HTTP_PULL": ("01_01", "02_01", "02_02"),
    }.items()
    for scenario in scenarios
)


def scenario_id(match: re.Match[str]) -> str:
    """Give the official id of a test: `DP_C_PULL:01-01`."""
    return f"{match[1].upper()}:{match[2].replace('_', '-')}"


def report(junit: Path) -> dict[str, Any]:
    """Count the scenarios of a test run; each that did not run counts as failed."""
    results: dict[str, str] = {}
    for case in ET.parse(junit).getroot().iter("testcase"):
        match = re.fullmatch(PATTERN, case.get("name", ""))
        if match is None:
            continue
        tags = {child.tag for child in case}
        word = "skipped" if "skipped" in tags else "passed"
        results[scenario_id(match)] = "failed" if tags & {"failure", "error"} else word
    scenarios = [{"id": each, "result": results.get(each, "failed")} for each in IDS]
    counts = {
        word: sum(each["result"] == word for each in scenarios)
        for word in ("passed", "failed", "skipped")
    }
    return {
        "suite": SUITE,
        "version": VERSION,
        **counts,
        "exceptions": [],
        "scenarios": scenarios,
    }


def main(junit: str, target: str) -> int:
    """Write the report; 1 unless every scenario passed."""
    found = report(Path(junit))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(json.dumps(found, indent=2) + "\n")
    passed = found["passed"]
    print(f"{passed} of {len(IDS)} scenarios of {VERSION} passed: {target}")
    return 0 if passed == len(IDS) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
