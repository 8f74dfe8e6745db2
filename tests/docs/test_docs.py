"""The pages are true: generated ones are current, links lead somewhere, what is shown exists."""

from __future__ import annotations

import importlib
import re
import shlex
import struct
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import click
import msgspec
import pytest
from scripts import docs

from hansa import ingest
from hansa.cli import _COMMANDS
from hansa.kernel import settings
from hansa.kernel.errors import Code
from hansa.kernel.telemetry import REGISTRY
from hansa.node.api import OPERATIONS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
WRITTEN = [page for page in PAGES if page != DOCS / "reference" / "commands.md"]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"(?:^ {4,}\S.*\n?)+", re.M)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
CALL = re.compile(r"^(?:[A-Z_]+=(?:\"[^\"]*\"|\S+) )*(?:\.venv/bin/)?hansa(?= |$)(.*)$")
PICTURE_BYTES_MAX = 350_000


def name_of(page: Path) -> str:
    """Give a page's name for a test's id."""
    return str(page.relative_to(ROOT))


def page(name: str) -> str:
    """Read a page of the reference."""
    return (DOCS / "reference" / name).read_text(encoding="utf-8")


def code_of(text: str) -> Iterator[str]:
    """Give every line of code of a page, and every span of code in its sentences."""
    prose = FENCED.sub("", text)
    blocks = [body for kind, body in FENCED.findall(text) if kind in ("", "sh", "bash")]
    for block in [*blocks, *INDENTED.findall(prose)]:
        yield from (line.strip() for line in block.replace("\\\n", " ").splitlines())
    yield from INLINE.findall(INDENTED.sub("", prose))


def calls_of(path: Path) -> list[list[str]]:
    """Give the arguments of every `hansa ...` that a page shows."""
    found = []
    for line in code_of(path.read_text(encoding="utf-8")):
        match = CALL.match(line)
        if match:
            words = shlex.split(match.group(1), comments=True)
            cut = words.index(">") if ">" in words else len(words)
            found.append(words[:cut])
    return found


def root_command() -> click.Group:
    """Give the command that holds all others."""
    from hansa.cli import hansa

    return hansa


def check_call(words: list[str]) -> None:
    """Raise click.UsageError when a command, an option or the number of arguments is wrong."""
    command: click.Command = root_command()
    context = click.Context(command, info_name="hansa")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        following = command.get_command(context, words[0])
        if following is None:
            raise click.UsageError(f"no command {words[0]!r}")
        command, words = following, words[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    _, left, _ = command.make_parser(context).parse_args(list(words))
    if left and not isinstance(command, click.Group):
        raise click.UsageError(f"too many arguments: {left}")


@pytest.mark.parametrize("name", docs.PAGES)
def test_generated_pages_are_current(name: str) -> None:
    assert page(name) == docs.PAGES[name]().rstrip() + "\n", "run: make docs"


def test_every_relative_link_leads_to_a_file() -> None:
    assert docs.broken_links() == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_pictures_are_there_and_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for source in re.findall(r"(?:src|srcset)=\"([^\"]+)\"|!\[[^\]]*\]\(([^)]+)\)", text):
        picture = path.parent / (source[0] or source[1])
        content = picture.read_bytes()
        assert struct.unpack(">II", content[16:24]) == (1440, 900)
        assert len(content) < PICTURE_BYTES_MAX


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    for path in DOCS.rglob("*.md"):
        place = path.relative_to(DOCS)
        if place.parts[0] not in ("README.md", "decisions"):
            assert f"({place})" in index, f"docs/README.md does not name {place}"


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_every_command_shown_exists_with_its_options(path: Path) -> None:
    for words in calls_of(path):
        try:
            check_call(words)
        except click.UsageError as error:
            pytest.fail(f"hansa {' '.join(words)}: {error.format_message()}")


def test_a_command_that_does_not_exist_is_found() -> None:
    for wrong in ("dance", "up --twice", "member list one", "agreement stop X"):
        with pytest.raises(click.UsageError):
            check_call(wrong.split())
    assert len(calls_of(DOCS / "tutorials" / "first-ten-minutes.md")) > 10


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_make_target_shown_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for line in code_of(path.read_text(encoding="utf-8")):
        match = re.match(r"make ([a-z-]+)", line)
        assert match is None or match.group(1) in targets, line


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_settings_shown_exist(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    sections = get_type_hints(settings.Settings)
    shown = re.findall(r"`([a-z]+)\.([a-z_]+)`", text)
    shown += [(s.lower(), k.lower()) for s, k in re.findall(r"HANSA_([A-Z]+)__([A-Z_]+)", text)]
    for section, key in shown:
        if section in sections and (section, key) not in (("node", "app"), ("hansa", "toml")):
            assert key in sections[section].__struct_fields__, f"{section}.{key}"
    for kind, body in FENCED.findall(text):
        if kind == "toml":
            tomllib.loads(body)
            file = tmp_path / "hansa.toml"
            file.write_text(body, encoding="utf-8")
            settings.load(file, environment={})


def test_every_setting_is_documented() -> None:
    text = page("settings.md")
    for section, struct_type in get_type_hints(settings.Settings).items():
        kind: Any = settings.ParticipantSettings if section == "participants" else struct_type
        assert f"[{section}]" in text
        part = text.split(f"[{section}]")[1].split("\n## ")[0]
        for field in kind.__struct_fields__:
            assert f"| `{field}` |" in part, f"{section}.{field}"


def test_every_error_code_is_documented() -> None:
    text = page("errors.md")
    assert [code.value for code in Code if f"| `{code.value}` |" not in text] == []


def test_every_metric_is_documented() -> None:
    text = page("metrics.md")
    for family in REGISTRY.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"| `{name}` |" in text, name


def test_every_command_is_documented() -> None:
    text = page("commands.md")

    def walk(command: click.Command, path: str) -> None:
        assert f"## `{path}`" in text, path
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert any(option in text for option in parameter.opts), f"{path} {parameter.opts}"
        if isinstance(command, click.Group):
            for name, child in command.commands.items():
                walk(child, f"{path} {name}")

    for name, (module, _) in _COMMANDS.items():
        walk(getattr(importlib.import_module(module), f"{name}_command"), f"hansa {name}")


def test_every_operation_is_documented() -> None:
    text = page("management-api.md")
    for operation in OPERATIONS:
        row = f"| {operation.method} | `{operation.path}` | {operation.summary} |"
        assert row in text


def test_json_shown_is_json_and_the_mapping_is_one() -> None:
    for path in PAGES:
        for kind, body in FENCED.findall(path.read_text(encoding="utf-8")):
            if kind == "json":
                msgspec.json.decode(body)
    text = (DOCS / "how-to" / "publish-a-file.md").read_text(encoding="utf-8")
    (mapping,) = (body for kind, body in FENCED.findall(text) if kind == "json")
    assert ingest.decode_mapping(msgspec.json.decode(mapping)).id == "{station}"
