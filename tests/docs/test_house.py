"""The house plan, checked: rooms meet at their public face, files and functions stay small."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src" / "hansa"
ROOMS = sorted(folder.name for folder in SRC.iterdir() if (folder / "__init__.py").exists())
FILES = sorted(SRC.rglob("*.py"))
TOP = {"cli", "node", "web", "story"}
LINES_MAX, FUNCTION_LINES_MAX = 400, 70
NAMED = re.compile(r"`([a-z][\w/]*(?:\.py|/))`")


def room_of(path: Path) -> str:
    """Give the room of a file; a module beside the rooms is its own room."""
    return path.relative_to(SRC).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_rooms_meet_only_at_their_public_face(path: Path) -> None:
    own = room_of(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        parts = node.module.split(".")
        if parts[0] != "hansa" or len(parts) < 3 or parts[1] in (own, "kernel"):
            continue
        inside_top = own in TOP and parts[1] in TOP
        assert inside_top, f"{path.name}:{node.lineno} reaches into {node.module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            assert size <= FUNCTION_LINES_MAX, f"{node.name} has {size} lines"


def test_no_files_import_in_a_circle() -> None:
    """For types neither: who needs the shape of another says so with a protocol of its own."""
    files = {module_of(path): path for path in FILES}
    knows = {name: imported(path, files) - {name} for name, path in files.items()}
    TopologicalSorter(knows).prepare()  # CycleError names the circle


def module_of(path: Path) -> str:
    """Give the dotted name of a file."""
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, files: dict[str, Path]) -> set[str]:
    """Give the files of ours that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name if name in files else node.module for name in whole}
    return found & files.keys()


def test_at_least_95_percent_of_public_functions_say_what_they_do() -> None:
    total, described = 0, 0
    for path in FILES:
        module = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
        public = [c for c in classes if not c.name.startswith("_")]
        for node in [*module.body, *(member for c in public for member in c.body)]:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (
                not node.name.startswith("_")
            ):
                total += 1
                described += ast.get_docstring(node) is not None
    assert described / total >= 0.95, f"{described} of {total}"


def test_every_room_tells_what_it_is_for() -> None:
    missing = [room for room in ROOMS if not (SRC / room / "README.md").exists()]
    assert missing == []


@pytest.mark.parametrize("page", sorted(SRC.rglob("README.md")), ids=lambda p: p.parent.name)
def test_a_room_names_only_files_that_it_has(page: Path) -> None:
    room = SRC / page.relative_to(SRC).parts[0]
    places = (page.parent, room, SRC, SRC.parents[1])
    for name in NAMED.findall(page.read_text(encoding="utf-8")):
        known = any((place / name).exists() for place in places)
        assert known or list(room.rglob(name)), f"there is no {name}"
