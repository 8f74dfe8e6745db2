"""What a command prints to do next can be pasted: it is for the node that was meant."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hansa.cli import fail
from hansa.cli.options import here, node_options, say, tell
from hansa.kernel.commands import parted, pasteable
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


def test_what_was_typed_is_quoted_when_it_is_printed_again() -> None:
    error = errors(HansaError(Code.conflict, "No."), "t 1;$(id)", "--home", "my space")
    assert error.facts["next"] == "hansa transfer show 't 1;$(id)' --home 'my space'"


def test_a_detail_that_names_a_command_is_enough() -> None:
    error = errors(HansaError(Code.not_found, "No.", "See: hansa webhook list"), "t", "--node", "w")
    assert "next" not in error.facts
    assert error.detail == "See: hansa webhook list --node w"


def test_a_command_is_told_for_the_node_and_home_that_were_given() -> None:
    @click.command("hansa")
    @node_options
    def command(node: str | None, home: Path | None, as_json: bool) -> None:
        tell("Next: hansa transfer show t-1")

    told = CliRunner().invoke(command, ["--node", "east", "--home", "space"]).output
    assert told == "Next: hansa transfer show t-1 --node east --home space\n"
    assert here("Next: hansa transfer show t-1") == "Next: hansa transfer show t-1"


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("hansa catalogue", "hansa catalogue --node w --home '/a b'"),
        ("hansa catalogue --node e", "hansa catalogue --node e --home '/a b'"),
        ("hansa up", "hansa up --home '/a b'"),
        ("hansa open", "hansa open w --home '/a b'"),
        ("hansa open e", "hansa open e --home '/a b'"),
        ("hansa member list", "hansa member list --home '/a b'"),
        ("hansa transfer --help", "hansa transfer --help"),
        ("hansa serve /x", "hansa serve /x"),
        ("Run `hansa up` first.", "Run `hansa up --home '/a b'` first."),
        ("See hansa webhook list.", "See hansa webhook list --node w --home '/a b'."),
        ("hansa negotiate 'a; (b'", "hansa negotiate 'a; (b' --node w --home '/a b'"),
        ("hansa join http://l:1/a", "hansa join http://l:1/a --node w --home '/a b'"),
        (
            "Look:  hansa status   hansa open e\nhansa down",
            "Look:  hansa status --home '/a b'   hansa open e --home '/a b'\n"
            "hansa down --home '/a b'",
        ),
        ("A hansa is a league of cities.", "A hansa is a league of cities."),
    ],
)
def test_commands_in_a_text_are_completed(text: str, completed: str) -> None:
    assert pasteable(text, "w", Path("/a b")) == completed
    assert pasteable(text) == text


def test_a_text_is_taken_apart_into_prose_and_commands() -> None:
    assert parted("At most 9; use `hansa publish FILE`.") == [
        ("At most 9; use", False),
        ("hansa publish FILE", True),
    ]
    assert parted("Run `hansa up` first.")[2] == ("first.", False)
    assert parted("Ask the authority.") == [("Ask the authority.", False)]


HOSTILE = "No\x1b[2J\x1b]0;title\x07\r\x9b31m \u202egnp.exe\u2028"


def test_what_others_wrote_does_nothing_to_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell(HOSTILE)
    say(HOSTILE, quiet=False)
    with pytest.raises(SystemExit):
        fail(HansaError(Code.conflict, HOSTILE, HOSTILE, field=HOSTILE, next=f"{HOSTILE}!"))
    shown = "".join(capsys.readouterr())
    assert shown.count("gnp.exe") == 6
    assert all(sign.isprintable() or sign == "\n" for sign in shown)


@pytest.mark.parametrize("more", ["&& curl x.example", "| sh", "$(id)", "; id", "`id`", "&"])
def test_what_others_wrote_is_no_part_of_a_command(more: str) -> None:
    said = f"They say: run hansa transfer list {more}"
    (command,) = [part for part, is_command in parted(said) if is_command]
    assert command.strip() == "hansa transfer list"
    assert pasteable("hansa transfer show '$(id)&'", node="w").endswith("'$(id)&' --node w")
