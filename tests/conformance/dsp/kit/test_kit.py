"""A run of the kit counts only when it was whole: exact numbers, and nothing left to chance."""

from __future__ import annotations

import pytest
from tests.conformance.dsp.kit import parts, run
from tests.conformance.dsp.kit.run import PASSED, SKIPPED, Result, read, verdict

WHOLE = [Result("passed", f"T:{n}", "", 1, "") for n in range(PASSED)]
WHOLE += [Result("skipped", test, "", 0, "") for test in SKIPPED]


def test_a_whole_run_is_right() -> None:
    assert verdict(WHOLE) == ""


@pytest.mark.parametrize(
    ("results", "wrong"),
    [
        ([], "0 passed, not 65"),
        (WHOLE[1:], "64 passed, not 65"),
        ([*WHOLE, Result("failed", "T:x", "", 1, "why")], "1 failed"),
        ([*WHOLE, Result("skipped", "T:x", "", 1, "")], "skipped are"),
        (WHOLE[:-1], "skipped are"),
        ([*WHOLE, WHOLE[0]], "66 passed, not 65"),
    ],
)
def test_anything_else_is_wrong(results: list[Result], wrong: str) -> None:
    assert wrong in verdict(results)


def test_a_line_of_the_launcher_is_read() -> None:
    assert read("failed\tCN:01-01: Verify it\t12\tbecause") == Result(
        "failed", "CN:01-01", "Verify it", 12, "because"
    )


def test_every_test_of_the_kit_has_a_script_and_settings() -> None:
    negotiations = (*parts.PROVIDER_NEGOTIATIONS, *parts.CONSUMER_NEGOTIATIONS)
    transfers = (*parts.PROVIDER_TRANSFERS, *parts.CONSUMER_TRANSFERS)
    assert (len(negotiations), len(transfers)) == (15 + 16, 16 + 16)
    settings = parts.settings()
    assert all(settings.values())
    assert len(settings) == 2 + 15 * 2 + 16 + 32 * 2
    assert len(negotiations) + len(transfers) + 4 == PASSED + len(run.SKIPPED)


def test_three_of_a_hundred_pass_all_or_the_run_is_wrong() -> None:
    four = [Result("passed", f"CAT:{n}", "", 1, "") for n in range(run.PUBLIC_PASSED)]
    assert run.verdict_of_three(dict.fromkeys(run.THREE, four)) == ""
    assert run.verdict_of_three({}) == "0 participants, not 3"
    assert "3 of 3 passed" in run.verdict_of_three(dict.fromkeys(run.THREE, four[1:]))
    failed = [*four[1:], Result("failed", "CAT:0", "", 1, "why")]
    assert "3 of 4 passed" in run.verdict_of_three(dict.fromkeys(run.THREE, failed))
