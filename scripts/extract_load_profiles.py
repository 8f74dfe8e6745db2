"""Make the story's load profiles from the PyPI package demandlib 0.2.2.

Source: demandlib/bdew/bdew_data/selp_series.csv of the wheel (package MIT; profiles BDEW/VDEW
1999): 3 periods x 7 weekdays x 96 quarter hours, mean kW over the quarter hour for 1,000 kWh a
year. Only the profiles that the story uses are kept.

    python scripts/extract_load_profiles.py                 # lets pip download the wheel
    python scripts/extract_load_profiles.py --source FILE   # selp_series.csv at hand

Writes src/hansa/story/data/load_profiles.json.gz; the same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

PACKAGE = "demandlib==0.2.2"
MEMBER = "demandlib/bdew/bdew_data/selp_series.csv"
OUTPUT = Path(__file__).resolve().parent.parent / "src/hansa/story/data/load_profiles.json.gz"
PROFILES = {
    "g1": "business on weekdays 8 to 18 h",
    "g2": "business with strong evening use",
    "g3": "business running without pause",
    "g4": "shop, hairdresser",
    "g5": "bakery",
}
PERIODS = ("summer", "transition", "winter")
SLOTS_PER_DAY = 96


def fetch_table() -> str:
    """Let pip download the wheel into a folder of its own and give the table's text."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*command, "--only-binary=:all:", "-d", folder, PACKAGE], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("demandlib-*.whl"))) as wheel:
            return wheel.read(MEMBER).decode()


def extract(text: str) -> dict[str, Any]:
    """Give each profile as three periods of seven weekdays (Monday first) of 96 values in kW."""
    profiles: dict[str, dict[str, list[list[float]]]] = {
        name: {period: [[] for _ in range(7)] for period in PERIODS} for name in PROFILES
    }
    for row in csv.DictReader(io.StringIO(text)):
        for name in PROFILES:
            profiles[name][row["period"]][int(row["weekday"]) - 1].append(float(row[name]))
    for name, periods in profiles.items():
        for period, days in periods.items():
            assert all(len(day) == SLOTS_PER_DAY for day in days), f"{name} {period} has gaps"
    return {
        "attribution": "Standard load profiles BDEW/VDEW 1999, from demandlib 0.2.2 (MIT)",
        "source": f"PyPI {PACKAGE}, {MEMBER}",
        "unit": "mean kW over the quarter hour for 1,000 kWh a year, local civil time",
        "titles": PROFILES,
        "profiles": profiles,
    }


def main() -> None:
    """Read the arguments, extract and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--source", type=Path, help="selp_series.csv")
    source: Path | None = parser.parse_args().source
    document = extract(source.read_text() if source else fetch_table())
    text = json.dumps(document, separators=(",", ":"))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size:,} bytes, profiles {', '.join(PROFILES)}")


if __name__ == "__main__":
    main()
