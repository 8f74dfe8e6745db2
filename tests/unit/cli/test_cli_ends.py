"""How commands end: one status for each kind of end; and secrets that are not typed in."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from hansa import cli
from hansa.cli.ends import MEANING, End, end_of, end_of_process
from hansa.cli.options import address_of
from hansa.kernel.errors import Code, HansaError


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (Code.counterparty_refused, End.refused),
        (Code.policy_denied, End.refused),
        (Code.membership_suspended, End.refused),
        (Code.outbound_failed, End.unreachable),
        (Code.unavailable, End.unreachable),
        (Code.outbound_timeout, End.timed_out),
        (Code.not_found, End.failed),
        (Code.illegal_state, End.failed),
    ],
)
def test_an_error_ends_with_the_status_of_its_kind(code: Code, end: End) -> None:
    assert end_of(HansaError(code, "No.")) is end


def stands(**facts: Any) -> Any:
    usual = {"state": "REQUESTED", "refusal": None, "waiting": False, "delivery": None}
    return SimpleNamespace(**{**usual, "pending": None, **facts})


@pytest.mark.parametrize(
    ("found", "end"),
    [
        (stands(), End.waits),
        (stands(state="OFFERED", waiting=True), End.waits),
        (stands(state="SUSPENDED"), End.waits),
        (stands(state="STARTED"), End.timed_out),
        (stands(pending="x", delivery=SimpleNamespace(error=None)), End.timed_out),
        (stands(pending="x", delivery=SimpleNamespace(error="No route.")), End.unreachable),
        (stands(state="TERMINATED", refusal=SimpleNamespace()), End.refused),
    ],
)
def test_what_is_not_over_ends_with_what_it_waits_for(found: Any, end: End) -> None:
    assert end_of_process(found, over=False) is end


def test_what_is_over_is_done_unless_it_was_refused() -> None:
    assert end_of_process(stands(state="FINALIZED"), over=True) is End.done
    refused = stands(state="TERMINATED", refusal=SimpleNamespace())
    assert end_of_process(refused, over=True) is End.refused


def test_every_status_has_a_meaning() -> None:
    assert set(MEANING) == set(End)


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (HansaError(Code.policy_denied, "No."), 3),
        (KeyboardInterrupt(), 130),
        (click.UsageError("No."), 2),
        (click.Abort(), 1),
        (None, 0),
    ],
)
def test_the_program_ends_with_it(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException | None, status: int
) -> None:
    @click.command()
    def fails() -> None:
        if raised is not None:
            raise raised

    monkeypatch.setattr("sys.argv", ["hansa"])
    monkeypatch.setattr(cli, "hansa", fails)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == status


def test_a_secret_is_read_from_a_file_or_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pass word"
    file.write_text("se=cret \n")
    monkeypatch.setattr("sys.stdin", io.StringIO("line 1\nline 2\n"))
    given = [f"password=@{file}", "privateKey=@-", "topic=@@home", "username=a@b", "path==x"]
    assert address_of(given) == {
        "password": "se=cret ",
        "privateKey": "line 1\nline 2",
        "topic": "@home",
        "username": "a@b",
        "path": "=x",
    }


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "can't be read"), (b"\n", "is empty"), (b"\xff", "no text"), (b"x" * 20_000, "longer")],
)
def test_a_secret_that_is_not_there_is_refused(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(click.BadParameter, match=why) as refused:
        address_of([f"password=@{file}"])
    assert "xx" not in str(refused.value)
