"""How each scenario ended and what was seen, as a file: a plugin of the run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.interop.edc.management import LostError

import hansa

REPORT = Path("build/conformance/edc.json")
SEEN: dict[str, Any] = {}
"""What the scenarios saw; facts about the run stand in it too."""
LOST: list[str] = []
"""What EDC lost by its own races: the scenario was run again."""
_ROWS: list[dict[str, Any]] = []
_TRIES = 3
_SETTLED_S = 1.0
_BEGUN = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the pause of EDC's state machines; 0 is EDC's own default, one second."""
    parser.addoption("--tick-ms", type=int, default=50)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """Run a scenario, and again when EDC lost one of its processes; what we lost fails at once."""
    floor = pyfuncitem.funcargs["floor"]
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    for left in reversed(range(_TRIES)):
        known = floor.begun()
        try:
            pyfuncitem.obj(**arguments)
            return True
        except (AssertionError, LostError):
            time.sleep(_SETTLED_S)  # what is only on its way is not lost
            lost = floor.lost(known)
            LOST.extend(f"{pyfuncitem.name}: {each}" for each in lost)
            if not lost or not left:
                raise
    return True


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the end of a scenario, or of its setting up when that failed."""
    if report.when == "call" or not report.passed:
        name = report.nodeid.partition("::")[2].removeprefix("test_").replace("_", " ")
        row = {"scenario": name, "result": report.outcome, "s": round(report.duration, 2)}
        _ROWS.append(row)


def pytest_sessionfinish() -> None:
    """Write the report."""
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "hansa": hansa.__version__,
        "seconds": round(time.monotonic() - _BEGUN, 1),
        "passed": sum(row["result"] == "passed" for row in _ROWS),
        "failed": sum(row["result"] == "failed" for row in _ROWS),
        "lost by EDC": LOST,
        "scenarios": _ROWS,
        "seen": SEEN,
    }
    REPORT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
