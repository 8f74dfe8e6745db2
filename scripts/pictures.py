"""Take the pictures of README and docs from a running product, in light and dark.

Starts a space of its own in a temporary folder, signs in, looks with Chromium, writes
`docs/pictures/*.png` at 1440 x 900, and stops the space. Needs the test dependencies and Chromium
(`HANSA_CHROMIUM` names another program): `.venv/bin/python scripts/pictures.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1440, 900
BYTES_MAX = 350 * 1000
NODE = "delft-east"
CAMERA = "c=4.36480,52.00472&z=16.62&p=55&b=40"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


def hansa(*arguments: str) -> str:
    """Run a command and give its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "hansa", *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def listed(noun: str) -> list[dict[str, Any]]:
    """Give what `hansa NOUN list` lists at the consumer's node."""
    items: list[dict[str, Any]] = json.loads(hansa(noun, "list", "--node", NODE, "--json"))["items"]
    return items


def sign_in(browser: Browser, scheme: str) -> tuple[Page, str]:
    """Open a signed-in page in light or dark; give it with the address of the node."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        timezone_id="Europe/Amsterdam",
        locale="en-GB",
    )
    page = context.new_page()
    link = str(json.loads(hansa("open", NODE, "--json"))["url"])
    page.goto(link)
    page.wait_for_load_state("networkidle")
    return page, link.partition("/signin")[0]


def take(page: Page, name: str) -> None:
    """Write one picture, compressed; fail when it stays too large."""
    page.mouse.move(2, HEIGHT - 2)
    file = FOLDER / f"{name}.png"
    file.write_bytes(compress(page.screenshot(type="png", animations="disabled")))
    size = file.stat().st_size
    print(f"{file.relative_to(ROOT)}: {size // 1000} kB")
    if size > BYTES_MAX:
        raise SystemExit(f"{file} is larger than {BYTES_MAX // 1000} kB.")


def compress(png: bytes) -> bytes:
    """Give the same picture with at most 256 colours where it would be too large else."""
    pixels = decode(png)
    for bits in (8, 7, 6, 5, 4):
        kept = pixels & ~numpy.uint8((1 << (8 - bits)) - 1)
        packed = encode(kept | (kept >> numpy.uint8(bits)))
        if len(packed) <= BYTES_MAX:
            return packed
    return packed


def decode(png: bytes) -> numpy.ndarray[Any, Any]:
    """Read an 8-bit RGB or RGBA picture without interlace into (height, width, 3) bytes."""
    data, header, at = b"", b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        header, data = (body if kind == b"IHDR" else header), data + body * (kind == b"IDAT")
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    if depth != 8 or colour not in (2, 6):
        raise SystemExit("Chromium gave a picture of an unexpected kind.")
    step = 3 if colour == 2 else 4
    raw = numpy.frombuffer(zlib.decompress(data), numpy.uint8).reshape(height, 1 + width * step)
    rows = numpy.zeros((height + 1, width, step), numpy.int32)
    for y in range(height):
        rows[y + 1] = _unfilter(int(raw[y, 0]), raw[y, 1:].reshape(width, step), rows[y])
    return rows[1:, :, :3].astype(numpy.uint8)


def _unfilter(kind: int, line: Any, above: Any) -> Any:
    """Undo the filter of one row (PNG 9.2)."""
    row = line.astype(numpy.int32)
    if kind == 1:
        return numpy.cumsum(row, axis=0) & 255
    if kind == 2:
        return (row + above) & 255
    if kind in (3, 4):
        left = corner = [0] * row.shape[1]
        out, top = row.tolist(), above.tolist()
        for x, cell in enumerate(out):
            up = top[x]
            for c, value in enumerate(cell):
                guess = _mean_or_paeth(kind, left[c], up[c], corner[c])
                cell[c] = (value + guess) & 255
            left, corner = cell, up
        return numpy.array(out, numpy.int32)
    return row


def _mean_or_paeth(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 3:
        return (left + up) // 2
    start = left + up - corner
    ranked = ((abs(start - left), 0, left), (abs(start - up), 1, up))
    return min(*ranked, (abs(start - corner), 2, corner))[2]


def encode(pixels: numpy.ndarray[Any, Any]) -> bytes:
    """Write (height, width, 3) bytes as PNG: a palette where 256 colours suffice, else RGB."""
    height, width, _ = pixels.shape
    codes = pixels.astype(numpy.uint32) @ numpy.array([65536, 256, 1], numpy.uint32)
    colours, index = numpy.unique(codes, return_inverse=True)
    chunks = b""
    if len(colours) <= 256:
        kind, rows = 3, index.reshape(height, width).astype(numpy.uint8)
        palette = b"".join(int(c).to_bytes(3, "big") for c in colours)
        chunks, filtered = _chunk(b"PLTE", palette), numpy.pad(rows, ((0, 0), (1, 0)))
    else:
        kind, flat = 2, pixels.reshape(height, width * 3)
        up = numpy.vstack([flat[:1], flat[1:] - flat[:-1]])
        filtered = numpy.pad(up, ((0, 0), (1, 0)))
        filtered[1:, 0] = 2
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    body = zlib.compress(filtered.tobytes(), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + chunks
        + _chunk(b"IDAT", body)
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def look(browser: Browser, scheme: str) -> None:
    """Take the pictures in light or dark."""
    page, url = sign_in(browser, scheme)
    console = f"{url}/console/{NODE}"
    suffix = "" if scheme == "light" else "-dark"
    page.goto(f"{console}/map#{CAMERA}")
    page.wait_for_selector("[data-ready=true]", timeout=30_000)
    page.wait_for_timeout(4_000)
    take(page, f"map{suffix}")
    agreement = next(a for a in listed("agreement") if a["role"] == "consumer")
    negotiation = listed("negotiation")[0]
    pages = (
        ("agreement", f"agreements/{agreement['id']}"),
        ("negotiation", f"negotiations/{negotiation['id']}"),
        ("home", ""),
    )
    for name, path in pages:
        page.goto(f"{console}/{path}".rstrip("/"))
        page.wait_for_load_state("load")
        page.wait_for_timeout(1_000)
        take(page, f"{name}{suffix}")


def main() -> None:
    """Start a space, take all pictures, stop it."""
    program = os.environ.get("HANSA_CHROMIUM") or shutil.which("chromium")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hansa-pictures-") as home:
        os.environ["HANSA_HOME"] = home
        try:
            hansa("up", "--fresh")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
                for scheme in ("light", "dark"):
                    look(browser, scheme)
                browser.close()
        finally:
            hansa("down")


if __name__ == "__main__":
    main()
