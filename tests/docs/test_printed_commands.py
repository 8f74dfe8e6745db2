"""Every command that is printed somewhere (docs, pages, errors, hints) is one that exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hansa.cli import hansa
from hansa.kernel.commands import parted

ROOT = Path(__file__).resolve().parents[2]
_SAID = re.compile(r"hansa [a-z]+[^\n\"]*")
_BLOCK = re.compile(r"^(?: {4}|\s*\$ )(?:\.venv/bin/)?(hansa [^\n#]*)", re.M)
_INLINE = re.compile(r"`(?:\.venv/bin/)?(hansa [^`\n]+)`")


def in_docs() -> Iterator[tuple[str, str]]:
    """Give each command of the documentation with its file."""
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        if file.name in ("commands.md", "errors.md"):
            continue
        text = file.read_text(encoding="utf-8").replace("\\\n", " ")
        for found in (*_BLOCK.findall(text), *_INLINE.findall(text)):
            for command in re.split(r" && | \| |   +", found):
                if command.startswith("hansa "):
                    yield file.name, command.strip()


def in_source() -> Iterator[tuple[str, str]]:
    """Give each command in a string of the source, with its blanks filled."""
    folder = ROOT / "src" / "hansa"
    for file in (*sorted(folder.rglob("*.py")), *sorted(folder.rglob("*.html"))):
        text = file.read_text(encoding="utf-8")
        for said in _SAID.findall(text):
            filled = re.sub(r"\{[^{}]*\}", "x", said.replace("{{", "").replace("}}", ""))
            for part, command in parted(filled):
                if command and "hansa transfer x" not in part:  # any verb: those are tested
                    yield file.name, part


def parse(command: str) -> None:
    """Parse a command as the command line does, and run nothing.

    A name of a command alone is good too, and a file in it need not be there.
    """
    words = shlex.split(command.partition(" > ")[0])[1:]
    here: click.Command = hansa
    context = click.Context(hansa, info_name="hansa")
    while isinstance(here, click.Group) and words and not words[0].startswith("-"):
        found = here.get_command(context, words.pop(0))
        assert found is not None, f"no such command: {command}"
        here = found
        context = click.Context(here, info_name=here.name, parent=context)
    if "--help" in words or isinstance(here, click.Group):
        return
    try:
        here.parse_args(context, words)
    except click.MissingParameter:
        assert not words or words[0].startswith("--"), command
    except click.BadParameter as error:
        if not isinstance(getattr(error.param, "type", None), click.Path | click.File):
            raise


DOCS = sorted(set(in_docs()))
SOURCE = sorted(set(in_source()))


@pytest.mark.parametrize(("file", "command"), DOCS)
def test_a_command_in_the_docs_exists(file: str, command: str) -> None:
    parse(command)


@pytest.mark.parametrize(("file", "command"), SOURCE)
def test_a_command_in_a_hint_exists(file: str, command: str) -> None:
    parse(command)
