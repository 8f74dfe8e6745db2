"""Trade with a real EDC and write `build/conformance/edc.json`: `make interop-edc`.

`EDC=0.14.0` takes another release of EDC. Exit status 0 when exactly `PASSED` scenarios passed and
none failed, 1 when not, 3 when no JDK or Maven is here. What EDC lost by its own races is told.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests import jars
from tests.interop.edc import connector
from tests.interop.edc.report import REPORT

PASSED = 34


def main() -> int:
    """Run the scenarios; more arguments go to pytest."""
    try:
        connector.resolve()
    except (jars.JavaUnavailableError, subprocess.SubprocessError) as error:
        print(f"EDC can't run here, nothing was tried: {error}", file=sys.stderr)
        return 3
    scenarios = str(Path(__file__).with_name("trade.py"))
    plugins = ("-p", "no:randomly", "-p", "tests.interop.edc.report")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, scenarios, *sys.argv[1:]], check=False
    )
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    passed, failed = report["passed"], report["failed"]
    for each in report["lost by EDC"]:
        print(f"lost by EDC, tried again: {each}")
    for name, seen in report["seen"].items():
        if "at once" in name:
            print(f"{name}: {seen['pairs (EDC, Hansa)']}")
    print(f"EDC {connector.VERSION}: {passed} of {PASSED} scenarios passed, {failed} failed")
    print(f"written: {REPORT}")
    whole = not sys.argv[1:]
    return int(done.returncode != 0 or (whole and passed != PASSED))


if __name__ == "__main__":
    sys.exit(main())
