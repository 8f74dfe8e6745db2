"""Trade with a real EDC and write `build/conformance/edc.json`: `make interop-edc`.

Exit status 0 when every scenario passed, 1 when one did not, 3 when no JDK or Maven is here.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import jars
from tests.interop.edc import connector
from tests.interop.edc.report import REPORT


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
    print(f"written: {REPORT}")
    return int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
