"""What tests share leaves nothing behind."""

from __future__ import annotations

import pytest
import structlog
from structlog.testing import capture_logs

from node_world import quiet

_log = structlog.get_logger("hansa.test")


def test_a_node_in_this_process_ties_no_logger_to_its_own_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quiet()
    _log.error("once")
    with capture_logs() as told:
        _log.error("again")
    assert [entry["event"] for entry in told] == ["again"]
    assert "again" not in capsys.readouterr().err


def test_the_log_is_as_before() -> None:
    assert not structlog.get_config()["cache_logger_on_first_use"]
    assert structlog.get_config()["processors"][-1].__class__.__name__ == "ConsoleRenderer"
