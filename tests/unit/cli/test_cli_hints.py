"""What a command prints to do next can be pasted: it is for the node that was meant."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hansa.cli.options import here, node_options, tell
from hansa.kernel.errors import Code, HansaError


def errors(error: HansaError, *words: str) -> HansaError:
    """Give the error of a command `hansa transfer resume` as it leaves it."""

    @click.command("resume")
    @click.argument("transfer")
    @node_options
    def resume(transfer: str, node: str | None, home: Path | None, as_json: bool) -> None:
        raise error

    group = click.Group("transfer", commands={"resume": resume})
    root = click.Group("hansa", commands={"transfer": group})
    done = CliRunner().invoke(root, ["transfer", "resume", *words], prog_name="hansa")
    assert isinstance(done.exception, HansaError), done.output
    return done.exception


@pytest.mark.parametrize(
    ("error", "following"),
    [
        (HansaError(Code.not_found, "No."), "hansa transfer list --node east"),
        (HansaError(Code.illegal_state, "No."), "hansa transfer show t-1 --node east"),
        (HansaError(Code.conflict, "No."), "hansa transfer show t-1 --node east"),
        (HansaError(Code.policy_denied, "No."), "hansa transfer show t-1 --node east"),
        (HansaError(Code.unavailable, "No."), "hansa status"),
        (HansaError(Code.not_found, "No.", field="--node"), "hansa status"),
        (HansaError(Code.invalid_field, "No.", field="to"), "hansa transfer resume --help"),
        (HansaError(Code.conflict, "No.", next="hansa catalogue"), "hansa catalogue --node east"),
        (HansaError(Code.conflict, "No.", next="hansa up"), "hansa up"),
        (HansaError(Code.conflict, "No.", next="Ask the authority."), "Ask the authority."),
    ],
)
def test_an_error_ends_with_the_next_command(error: HansaError, following: str) -> None:
    assert errors(error, "t-1", "--node", "east").facts["next"] == following


def test_a_detail_that_names_a_command_is_enough() -> None:
    error = HansaError(Code.not_found, "No.", "See: hansa webhook list")
    assert "next" not in errors(error, "t-1").facts


def test_a_command_is_told_for_the_node_and_home_that_were_given() -> None:
    @click.command("hansa")
    @node_options
    def command(node: str | None, home: Path | None, as_json: bool) -> None:
        tell("Next: hansa transfer show t-1")

    told = CliRunner().invoke(command, ["--node", "east", "--home", "space"]).output
    assert told == "Next: hansa transfer show t-1 --node east --home space\n"
    assert here("Next: hansa transfer show t-1") == "Next: hansa transfer show t-1"
