"""The pictures of a chapter in fewer bytes, every pixel as it was: PNG written anew with what compresses best."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256  # most a palette holds
KIND = "image/png"
RGB, PALETTE = 2, 3  # colour types of PNG


def shrink_pictures(notebook):
    """Return `notebook` (nbformat 4), the PNG pictures of its outputs replaced in place by smaller equal ones."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if KIND in output.get("data", {}):
                picture = smaller(base64.b64decode(output.data[KIND]))
                output.data[KIND] = base64.b64encode(picture).decode("ascii")
    return notebook


def smaller(png: bytes) -> bytes:
    """The same pixels in fewer bytes; `png` itself where that cannot be had, or where it is not opaque.

    A palette where 256 colours are enough, else RGB, unfiltered or with the filter of each row that leaves the fewest
    values. The resolution is kept, other notes in the file are not.
    """
    from PIL import Image

    image = Image.open(io.BytesIO(png))
    pixels = np.asarray(image.convert("RGBA"))
    if image.mode not in ("RGB", "RGBA", "P", "L") or (pixels[..., 3] < 255).any():
        return png
    about = next((content for kind, content in _chunks(png) if kind == b"pHYs"), b"")
    return min([png, *_forms(np.ascontiguousarray(pixels[..., :3]), about)], key=len)


def _forms(pixels: np.ndarray, resolution: bytes) -> Iterator[bytes]:
    """The picture (H, W, 3) as PNG files."""
    height, width, _ = pixels.shape
    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, places = np.unique(codes, return_inverse=True)
    if len(colours) <= COLOURS:
        palette = np.stack([colours >> 16, colours >> 8, colours], axis=1).astype(np.uint8)
        rows = places.reshape(height, width).astype(np.uint8)
        yield _png(width, PALETTE, palette.tobytes(), resolution, rows, np.zeros(height, np.uint8))
        return
    filtered = _filtered(pixels.reshape(height, 3 * width))
    values = np.stack([(np.diff(np.sort(rows, axis=1), axis=1) != 0).sum(axis=1) for rows in filtered])
    for choice in (np.zeros(height, np.uint8), values.argmin(axis=0).astype(np.uint8)):
        yield _png(width, RGB, b"", resolution, filtered[choice, np.arange(height)], choice)


def _filtered(rows: np.ndarray, step: int = 3) -> np.ndarray:
    """The rows (H, B) of bytes under each of PNG's five filters: (5, H, B)."""
    left, up, corner = np.zeros_like(rows), np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], up[1:], corner[1:, step:] = rows[:, :-step], rows[:-1], rows[:-1, :-step]
    a, b, c = (near.astype(np.int16) for near in (left, up, corner))
    guess = a + b - c
    from_a, from_b, from_c = abs(guess - a), abs(guess - b), abs(guess - c)
    paeth = np.where((from_a <= from_b) & (from_a <= from_c), left, np.where(from_b <= from_c, up, corner))
    mean = ((a + b) // 2).astype(np.uint8)
    return np.stack([rows, rows - left, rows - up, rows - mean, rows - paeth])


def _png(width: int, colour: int, palette: bytes, resolution: bytes, rows: np.ndarray, filters: np.ndarray) -> bytes:
    """A PNG file of 8 bits from filtered rows (H, B) and the filter of each (H,)."""
    packer = zlib.compressobj(9, memLevel=9)
    data = packer.compress(np.column_stack([filters, rows]).tobytes()) + packer.flush()
    header = struct.pack(">IIBBBBB", width, len(rows), 8, colour, 0, 0, 0)
    parts = {b"IHDR": header, b"PLTE": palette, b"pHYs": resolution, b"IDAT": data}
    chunks = [_chunk(kind, content) for kind, content in parts.items() if content]
    return SIGNATURE + b"".join(chunks) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk of a PNG file."""
    place = len(SIGNATURE)
    while place + 8 <= len(png):
        size, kind = struct.unpack(">I4s", png[place : place + 8])
        yield kind, png[place + 8 : place + 8 + size]
        place += size + 12
