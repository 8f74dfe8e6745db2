"""The scenarios are all there, once each."""

from __future__ import annotations

import re

from tests.conformance.dps import test_control_plane, test_data_plane, test_data_plane_http
from tests.conformance.dps.ids import IDS, PATTERN, SUITE, scenario_id
from tests.conformance.dps.schemas import names, registry

SCENARIOS = {
    "CP_C": ("01_01", "01_02", "02_01", "02_02", "03_01"),
    "CP_P": ("01_01", "01_02", "02_01", "02_02", "03_01"),
    "DP_C_PULL": ("01_01", "01_02", "02_01", "02_02", "03_01", "04_01"),
    "DP_P_PULL": ("01_01", "01_02", "02_01", "02_02", "04_01"),
    "DP_C_PUSH": ("01_01", "01_02", "02_01", "02_02", "03_01", "04_01"),
    "DP_P_PUSH": ("01_01", "01_02", "02_01", "02_02", "03_01", "04_01"),
    "DP_C_HTTP_PULL": ("01_01", "02_01"),
    "DP_P_HTTP_PULL": ("01_01", "02_01", "02_02"),
}


def test_there_are_exactly_38_scenarios() -> None:
    wanted = {
        f"{group}:{each.replace('_', '-')}" for group, found in SCENARIOS.items() for each in found
    }
    found = [
        scenario_id(match)
        for module in (test_control_plane, test_data_plane, test_data_plane_http)
        for name in vars(module)
        if (match := re.fullmatch(PATTERN, name))
    ]
    assert len(found) == len(set(found)) == 38
    assert set(found) == wanted == set(IDS)
    assert SUITE == "dps-1.0-rc3 scenarios"


def test_all_13_schemas_are_read() -> None:
    assert len(names()) == 13
    assert len(registry()) >= 14
