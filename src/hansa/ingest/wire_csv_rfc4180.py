"""CSV: RFC 4180 and what is found in practice.

Encodings: UTF-8 and UTF-16 with or without a byte order mark, else Windows-1252 or Latin-1.
Delimiters: comma, semicolon, tab, bar. Lines before the header that start with `#`, and Excel's
`sep=;`, are skipped. A line without a header is recognised by its numbers.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TextIO

from hansa.ingest.content import Content
from hansa.ingest.errors import too_large, unreadable
from hansa.ingest.model import (
    CELL_CHARACTERS_MAX,
    COLUMNS_MAX,
    Json,
    Layer,
    Reason,
    Rejection,
    Row,
)
from hansa.ingest.naming import distinct
from hansa.ingest.values import shown

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 200
_LINE_CHARACTERS_MAX = 4 * 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def detect_encoding(content: Content) -> str:
    """Give the encoding: by its mark, by the zeros of UTF-16, by trying UTF-8, else 8 bits."""
    head = content.head
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    pairs = max(1, len(head[:4096]) // 2)
    if head[1:4096:2].count(0) > 0.6 * pairs:
        return "utf-16-le"
    if head[0:4096:2].count(0) > 0.6 * pairs:
        return "utf-16-be"
    for name in ("utf-8", "cp1252"):
        if _decodes(content, name):
            return name
    return "latin-1"


def _decodes(content: Content, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with content.open() as stream:
        try:
            while chunk := stream.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


class CsvTable:
    """A table of text: how it is written and its rows."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.encoding = detect_encoding(content)
        sample = self._sample()
        if "\x00" in sample:
            raise unreadable(
                "This is no text: it holds NUL characters.", "Save the table as CSV in UTF-8."
            )
        self._skipped = _preamble(sample)
        body = sample.split("\n", self._skipped)[-1] if self._skipped else sample
        named = sample[4:5] if sample[:4].lower() == "sep=" else ""
        self.delimiter = named if named in DELIMITERS else _delimiter_of(body)
        first = next(_loosely(body, self.delimiter), None)
        if first is None:
            raise unreadable("The file holds no row.", "Choose a file with a header and rows.")
        if len(first) > COLUMNS_MAX:
            raise too_large(f"{len(first):,} columns", f"{COLUMNS_MAX:,} columns", "Part it.")
        self.headed = not _is_data(first)
        self.columns = _columns(first, self.headed)

    def layer(self) -> Layer:
        """Describe the table; the number of rows is not known before a pass."""
        return Layer(name="table", columns=self.columns, noun="line")

    def rows(self) -> Iterator[Row | Rejection]:
        """Give each row, or why a line is none, with the line on which it starts."""
        with self._content.open() as stream:
            text = io.TextIOWrapper(stream, self.encoding, newline="")
            lines = _lines(text)
            for _ in range(self._skipped):
                next(lines, None)
            yield from self._parse(lines)

    def _parse(self, lines: Iterator[str]) -> Iterator[Row | Rejection]:
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        columns, width, header_due = self.columns, len(self.columns), self.headed
        while True:
            line = reader.line_num + 1 + self._skipped
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Rejection(
                    line=line, field="", code=Reason.malformed, reason=_explain(str(error))
                )
                continue
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue  # an empty line is no row
            if header_due:
                header_due = False
                continue
            if len(cells) != width:
                surplus = cells[width:]
                if len(cells) < width or any(cell.strip() for cell in surplus):
                    yield Rejection(
                        line=line,
                        field="",
                        code=Reason.columns_differ,
                        reason=f"{len(cells)} cells where the header has {width}",
                        raw=shown(self.delimiter.join(cells)),
                    )
                    continue
            values: Json = dict(zip(columns, cells, strict=False))
            yield Row(line, values)

    def _sample(self) -> str:
        """Give the text of the first 64 KiB up to its last whole line."""
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        text = decoder.decode(self._content.head)
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        cut = text.rfind("\n")
        return text if cut <= 0 else text[: cut + 1]


def _lines(text: TextIO) -> Iterator[str]:
    number = 0
    while line := text.readline(_LINE_CHARACTERS_MAX):
        number += 1
        if len(line) >= _LINE_CHARACTERS_MAX:
            raise too_large(
                f"line {number:,} never ends",
                f"{_LINE_CHARACTERS_MAX:,} characters in a line",
                "Check that this is a table.",
            )
        yield line


def _preamble(sample: str) -> int:
    skipped = 0
    for line in sample.split("\n"):
        if not (line.startswith("#") or line[:4].lower() == "sep="):
            break
        skipped += 1
    return skipped


def _delimiter_of(sample: str) -> str:
    """Give the delimiter that parts the sample into the most even table."""
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = Counter(len(row) for row in islice(_loosely(sample, delimiter), _SAMPLE_ROWS))
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        score = (round(count / widths.total(), 2), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def _loosely(sample: str, delimiter: str) -> Iterator[list[str]]:
    """Give the rows of a sample that hold anything, up to the first that cannot be parsed."""
    try:
        for row in csv.reader(io.StringIO(sample), delimiter=delimiter):
            if any(cell.strip() for cell in row):
                yield row
    except csv.Error:
        return


def _is_data(cells: list[str]) -> bool:
    """Say whether a first line is data: no header consists of numbers."""

    def numeric(cell: str) -> bool:
        return cell.strip().replace(",", ".", 1).lstrip("+-").replace(".", "", 1).isdigit()

    return any(map(numeric, cells)) and all(numeric(cell) or not cell.strip() for cell in cells)


def _columns(first: list[str], headed: bool) -> tuple[str, ...]:
    taken: set[str] = set()
    return tuple(
        distinct((cell.strip() if headed else "") or f"column {number}", taken)
        for number, cell in enumerate(first, 1)
    )


def _explain(error: str) -> str:
    if "field larger" in error:
        return (
            f"a cell has more than {CELL_CHARACTERS_MAX:,} characters; "
            "perhaps a quote was never closed"
        )
    if "unexpected end" in error:
        return "a quote that opens here is never closed; all that follows was set aside"
    return f"the quoting is wrong: {error}"
