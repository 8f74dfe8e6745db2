"""Tables of text: how they are written, and the line of each row."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from ingest_files import csv_source, number, reasons, run, table_mapping, text

from hansa.ingest import Row, Source, read_source
from hansa.ingest import content as content_module
from hansa.kernel import HansaError

TABLE = "id;Größe;Ort\n1;2,5;Köln\n2;3,0;Łódź\n"


def _cells(source: Source) -> list[dict[str, object]]:
    return [row.values for row in source.rows() if isinstance(row, Row)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_encodings_are_recognised(encoding: str) -> None:
    source = csv_source(TABLE, encoding=encoding)

    assert source.layer().columns == ("id", "Größe", "Ort")
    assert _cells(source)[1] == {"id": "2", "Größe": "3,0", "Ort": "Łódź"}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_what_is_not_unicode_is_read_as_western(encoding: str) -> None:
    source = csv_source("id,Ort\n1,Köln\n", encoding=encoding)

    assert _cells(source) == [{"id": "1", "Ort": "Köln"}]
    assert source.written["encoding"] == "cp1252"


def test_a_byte_without_meaning_in_windows_is_read_as_latin_1() -> None:
    source = read_source(b"id,x\n1,\x81\xe9\n", "f.csv")

    assert _cells(source) == [{"id": "1", "x": "\x81é"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_recognised(delimiter: str) -> None:
    lines = ["a,b,c", "1,2,3", "4,5,6"]
    source = csv_source("\n".join(line.replace(",", delimiter) for line in lines))

    assert source.written["delimiter"] == delimiter
    assert _cells(source)[1] == {"a": "4", "b": "5", "c": "6"}


def test_decimal_commas_do_not_pass_for_delimiters() -> None:
    assert csv_source("a;b\n1,5;2,5\n3,5;4,5\n").written["delimiter"] == ";"


def test_lines_before_the_header_are_skipped_and_counted() -> None:
    source = csv_source("# made by a logger\n# zone: UTC\nid,x\n1,2\n")

    rows = [row for row in source.rows() if isinstance(row, Row)]
    assert rows == [Row(4, {"id": "1", "x": "2"})]


def test_excels_own_hint_is_followed() -> None:
    source = csv_source("sep=|\nid|x;y\n1|2\n")

    assert source.layer().columns == ("id", "x;y")


def test_quoted_newlines_keep_the_line_of_the_start() -> None:
    source = csv_source('id,note\n1,"two\nlines"\n\n2,plain\n')

    assert [(row.line, row.values["note"]) for row in source.rows() if isinstance(row, Row)] == [
        (2, "two\nlines"),
        (5, "plain"),
    ]


def test_a_line_with_other_columns_is_told() -> None:
    source = csv_source("id,x\n1,2\n3\n4,5,6\n7,8,,\n")

    result = run(table_mapping(number("x")), source)

    assert reasons(result) == [(3, "columns_differ"), (4, "columns_differ")]
    assert result.rejections[1].raw == "4,5,6"
    assert result.summary.accepted == 2


def test_a_quote_that_never_closes_is_told() -> None:
    result = run(table_mapping(number("x")), csv_source('id,x\n1,2\n2,"3\n4,5\n'))

    assert reasons(result) == [(3, "malformed")]
    assert "never closed" in result.rejections[0].reason
    assert result.summary.rejected_by == {"malformed": 1}


def test_a_cell_without_end_is_told_and_reading_goes_on() -> None:
    result = run(table_mapping(text("x")), csv_source(f"id,x\n1,{'a' * 200_000}\n2,b\n"))

    assert reasons(result) == [(2, "malformed")]
    assert result.summary.accepted == 1


def test_headers_are_made_distinct_and_never_empty() -> None:
    assert csv_source(",x,x\n1,2,3\n").layer().columns == ("column 1", "x", "x2")


def test_numbers_in_the_first_line_are_no_header() -> None:
    source = csv_source("1,2.5\n2,3.5\n")

    assert source.layer().columns == ("column 1", "column 2")
    assert [row.line for row in source.rows() if isinstance(row, Row)] == [1, 2]


def test_old_line_ends_are_read() -> None:
    assert _cells(csv_source("id,x\r1,2\r3,4\r"))[1] == {"id": "3", "x": "4"}


def test_gzip_is_expanded_and_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(gzip.compress(TABLE.encode()))
    source = read_source(path, "file.csv.gz")

    assert len(_cells(source)) == len(_cells(source)) == 2


@pytest.mark.parametrize(
    ("start", "word"),
    [
        (b"PK\x03\x04rest", "zip"),
        (b"%PDF-1.7", "PDF"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"\xd0\xcf\x11\xe0rest", "spreadsheet"),
    ],
)
def test_other_files_are_refused_with_a_next_step(start: bytes, word: str) -> None:
    with pytest.raises(HansaError) as refusal:
        read_source(start, "file.bin")

    assert refusal.value.code == "unsupported_media_type"
    assert word in refusal.value.title
    assert refusal.value.detail


@pytest.mark.parametrize("data", [b"", b"\n\n\n", b"id,x\n1,\x00\n"])
def test_files_without_a_table_are_refused(data: bytes) -> None:
    with pytest.raises(HansaError) as refusal:
        read_source(data, "file.csv")

    assert refusal.value.code == "invalid_request"
    assert refusal.value.facts["field"] == "file"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HansaError) as refusal:
        read_source(tmp_path / "nothing.csv", "nothing.csv")

    assert refusal.value.code == "invalid_request"


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(HansaError) as refusal:
        csv_source(",".join(f"c{n}" for n in range(2_001)) + "\n")

    assert refusal.value.code == "body_too_large"


def test_a_large_file_is_refused() -> None:
    with pytest.raises(HansaError) as refusal:
        content_module.Content(b"x" * 101, bytes_max=100)

    assert refusal.value.code == "body_too_large"


def test_a_small_file_that_expands_without_end_is_refused() -> None:
    content = content_module.Content(gzip.compress(b"x" * 200_000), bytes_max=100_000)

    with pytest.raises(HansaError) as refusal:
        content.read()

    assert refusal.value.code == "body_too_large"


def test_a_damaged_gzip_is_refused() -> None:
    with pytest.raises(HansaError) as refusal:
        read_source(gzip.compress(TABLE.encode() * 100)[:-20], "file.csv.gz")

    assert refusal.value.code == "invalid_request"
    assert "gzip" in refusal.value.title


def test_a_line_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.ingest.wire_csv_rfc4180._LINE_CHARACTERS_MAX", 1_000)
    source = csv_source("id,x\n1,2\n" + "y" * 2_000 + "\n")

    with pytest.raises(HansaError) as refusal:
        list(source.rows())

    assert refusal.value.code == "body_too_large"
    assert "line 3" in refusal.value.title
