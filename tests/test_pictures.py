"""Pictures of stored chapters: fewer bytes, the same pixels."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from nbformat import v4
from PIL import Image

from lottery_book.building.stored import shrink_pictures, smaller


def picture(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1, **options)
    return file.getvalue()


def pixels_of(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def plot(colours: int) -> np.ndarray:
    """Flat areas with edges between them, opaque: (120, 90, 4)."""
    draw = np.random.default_rng(colours)
    palette = draw.integers(0, 256, (colours, 3), np.uint8)
    places = np.kron(draw.permuted(np.arange(20 * 15) % colours).reshape(20, 15), np.ones((6, 6), int))
    return np.dstack([palette[places], np.full(places.shape, 255, np.uint8)])


@pytest.mark.parametrize("colours", [1, 2, 200, 256, 257, 300])
def test_pixels_and_resolution_stay_and_bytes_go(colours):
    png = picture(plot(colours), dpi=(144, 144))
    made = smaller(png)
    assert len(made) < len(png)
    assert np.array_equal(pixels_of(made), pixels_of(png))
    assert Image.open(io.BytesIO(made)).info["dpi"] == Image.open(io.BytesIO(png)).info["dpi"]
    assert Image.open(io.BytesIO(made)).mode == ("P" if colours <= 256 else "RGB")
    assert smaller(made) == made


def test_gradients_of_many_colours_shrink_too():
    ramp = np.add.outer(np.arange(200), np.arange(300) * 3).astype(np.uint8)
    pixels = np.dstack([ramp, ramp.T[:200, :1] + ramp // 2, ramp + np.arange(300, dtype=np.uint8) // 7])
    png = picture(pixels)
    assert len(smaller(png)) < len(png) and np.array_equal(pixels_of(smaller(png)), pixels_of(png))


def test_what_is_not_opaque_or_of_more_than_8_bits_is_left_alone():
    clear = plot(5)
    clear[0, 0, 3] = 254
    deep = np.arange(60_000, dtype=np.uint16).reshape(200, 300)
    for png in (picture(clear), picture(deep)):
        assert smaller(png) == png


def test_only_pictures_of_a_notebook_change():
    png = base64.b64encode(picture(plot(9))).decode()
    data = {"image/png": png, "text/plain": "<Figure>"}
    cells = [v4.new_markdown_cell("text"), v4.new_code_cell("x", outputs=[v4.new_output("display_data", data)])]
    notebook = shrink_pictures(v4.new_notebook(cells=cells))
    shown = notebook.cells[1].outputs[0].data
    assert shown["text/plain"] == "<Figure>" and len(shown["image/png"]) < len(png)
    assert np.array_equal(pixels_of(base64.b64decode(shown["image/png"])), plot(9))
