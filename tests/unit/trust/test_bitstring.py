"""Status lists: bit order, compression, bounds."""

from __future__ import annotations

import base64
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.kernel import Code, HansaError
from hansa.trust import wire_bitstring_1_0 as bitstring

EMPTY = bytes(bitstring.BITS_MIN // 8)


def encoded(data: bytes, prefix: str = "u") -> str:
    return prefix + base64.urlsafe_b64encode(gzip.compress(data)).decode().rstrip("=")


def test_index_0_is_the_most_significant_bit_of_the_first_byte() -> None:
    bits = bytearray(EMPTY)
    bitstring.put(bits, 0, True)
    bitstring.put(bits, 9, True)
    assert bits[:2] == b"\x80\x40"
    assert [index for index in range(16) if bitstring.is_set(bits, index)] == [0, 9]
    bitstring.put(bits, 0, False)
    bitstring.put(bits, 0, False)
    assert bits[:2] == b"\x00\x40"


def test_a_list_reads_as_it_was_written_by_others() -> None:
    bits = bytearray(EMPTY)
    bits[5] = 0x01
    assert bitstring.is_set(bitstring.decode(encoded(bytes(bits))), 47)
    assert bitstring.decode(encoded(bytes(bits), prefix="")) == bytes(bits)


def test_what_we_write_is_gzip_in_multibase() -> None:
    text = bitstring.encode(EMPTY)
    assert text.startswith("u")
    assert "=" not in text
    raw = base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
    assert raw[:2] == b"\x1f\x8b"
    assert gzip.decompress(raw) == EMPTY
    assert bitstring.encode(EMPTY) == text


@given(st.sets(st.integers(0, bitstring.BITS_MIN - 1), max_size=50))
def test_writing_and_reading_are_inverse(indices: set[int]) -> None:
    bits = bytearray(EMPTY)
    for index in indices:
        bitstring.put(bits, index, True)
    read = bitstring.decode(bitstring.encode(bytes(bits)))
    assert read == bits
    assert all(bitstring.is_set(read, index) for index in indices)


def test_an_index_outside_the_list_is_an_error() -> None:
    for index in (-1, bitstring.BITS_MIN):
        with pytest.raises(IndexError):
            bitstring.is_set(EMPTY, index)


@pytest.mark.parametrize(
    "text",
    [
        None,
        1,
        "",
        "u",
        "u!!",
        "uAAAA",
        encoded(EMPTY[:-1]),
        encoded(EMPTY)[:-20],
        encoded(bytes(2 * bitstring.BITS_BYTES_MAX)),
        encoded(bytes(64 * 1024 * 1024)),
    ],
)
def test_a_list_that_is_not_well_formed_is_refused(text: object) -> None:
    with pytest.raises(HansaError) as caught:
        bitstring.decode(text)
    assert caught.value.code is Code.token_malformed


@pytest.mark.parametrize(
    "changes", [{"type": "StatusList2021"}, {"statusPurpose": "revocation"}, {"encodedList": None}]
)
def test_a_list_of_another_kind_is_refused(changes: dict[str, object]) -> None:
    good = {
        "type": "BitstringStatusList",
        "statusPurpose": "suspension",
        "encodedList": encoded(EMPTY),
    }
    assert bitstring.bits_of(good) == EMPTY
    with pytest.raises(HansaError) as caught:
        bitstring.bits_of(good | changes)
    assert caught.value.code is Code.token_malformed
