"""The built islands and styles, found through Vite's manifest."""

from __future__ import annotations

from pathlib import Path

import msgspec

DIST = Path(__file__).parent / "static" / "dist"
MANIFEST = "manifest.json"


class Chunk(msgspec.Struct, frozen=True):
    """One entry of the manifest (Vite 8, `build.manifest`)."""

    file: str
    css: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


class Assets:
    """Gives the addresses of an entry's files; knows when nothing was built."""

    def __init__(self, folder: Path = DIST, prefix: str = "/static/dist/") -> None:
        self._path = folder / MANIFEST
        self._prefix = prefix
        self._read_at = 0.0
        self._chunks: dict[str, Chunk] = {}

    def _refresh(self) -> None:
        try:
            changed = self._path.stat().st_mtime
        except OSError:
            self._chunks, self._read_at = {}, 0.0
            return
        if changed != self._read_at:
            self._chunks = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Chunk])
            self._read_at = changed

    @property
    def built(self) -> bool:
        """Say whether the pages' own files are there."""
        self._refresh()
        return bool(self._chunks)

    def scripts(self, *entries: str) -> list[str]:
        """Give the script addresses of entries, each once."""
        self._refresh()
        return list(
            dict.fromkeys(
                self._prefix + self._chunks[e].file
                for e in entries
                if e in self._chunks and self._chunks[e].file.endswith(".js")
            )
        )

    def preloads(self, *entries: str) -> list[str]:
        """Give the addresses of what entries import, so that the browser fetches them early."""
        self._refresh()
        found: dict[str, None] = {}
        queue = [name for e in entries if e in self._chunks for name in self._chunks[e].imports]
        while queue:
            name = queue.pop()
            if name in self._chunks and self._prefix + self._chunks[name].file not in found:
                found[self._prefix + self._chunks[name].file] = None
                queue += self._chunks[name].imports
        return list(found)

    def styles(self, *entries: str) -> list[str]:
        """Give the stylesheet addresses of entries and of what they import, each once."""
        self._refresh()
        found: dict[str, None] = {}
        queue, seen = list(entries), set()
        while queue:
            name = queue.pop(0)
            if name in seen or name not in self._chunks:
                continue
            seen.add(name)
            chunk = self._chunks[name]
            if chunk.file.endswith(".css"):
                found[self._prefix + chunk.file] = None
            found.update(dict.fromkeys(self._prefix + css for css in chunk.css))
            queue += chunk.imports
        return list(found)
