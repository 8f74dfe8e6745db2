"""Trade with a real EDC and write `build/conformance/edc.json`: `make interop-edc`.

Exit status 0 when every scenario passed, 1 when one did not, 3 when no JDK or Maven is here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests import jars
from tests.interop.edc import connector, trade

import hansa
from hansa.kernel.telemetry import configure_logging

REPORT = Path("build/conformance/edc.json")


class Rows:
    """Collects how each scenario ended."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the end of a scenario, or of its setting up when that failed."""
        if report.when == "call" or not report.passed:
            name = report.nodeid.partition("::")[2].removeprefix("test_").replace("_", " ")
            row = {"scenario": name, "result": report.outcome, "s": round(report.duration, 2)}
            self.rows.append(row)


def main() -> int:
    """Run the scenarios and write the report."""
    try:
        connector.resolve()
    except (jars.JavaUnavailableError, subprocess.SubprocessError) as error:
        print(f"EDC can't run here, nothing was tried: {error}", file=sys.stderr)
        return 3
    configure_logging("error")
    rows, begun = Rows(), time.monotonic()
    status = pytest.main(
        [str(Path(__file__).with_name("trade.py")), "-p", "no:randomly", "-q", *sys.argv[1:]],
        plugins=[rows],
    )
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "edc": connector.VERSION,
        "hansa": hansa.__version__,
        "edc_tick_ms": trade.TICK_MS,
        "seconds": round(time.monotonic() - begun, 1),
        "passed": sum(row["result"] == "passed" for row in rows.rows),
        "failed": sum(row["result"] == "failed" for row in rows.rows),
        "scenarios": rows.rows,
        "seen": sys.modules[trade.__name__].SEEN,
    }
    REPORT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{report['passed']} passed, {report['failed']} failed: {REPORT}")
    return int(status != 0)


if __name__ == "__main__":
    sys.exit(main())
