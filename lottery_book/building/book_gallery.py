"""A Sphinx extension for pages that show what chapters drew: pictures out of the executed chapters.

Before the book is read, each picture that a page names `thumbnails/LABEL.png` is written: the figure of that label,
small. `thumbnails/LABEL-whole.png` is the figure as it is.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

FOLDER = "thumbnails"  # in the book's source
WIDTH, HEIGHT = 440, 330  # pixels, twice what is shown


def chapter_figures(folder: Path) -> dict[str, bytes]:
    """The figures (PNG) of the executed chapters in `folder` by label."""
    figures = {}
    for path in sorted(folder.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            settings = cell["metadata"].get("mystnb", {})
            pictures = [o["data"]["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
            if "figure" in settings and pictures:
                figures[settings["figure"]["name"]] = base64.b64decode("".join(pictures[0]))
    return figures


def thumbnail(png: bytes) -> bytes:
    """The picture at most `WIDTH` wide; of a tall one, such as maps of all tasks, the upper part."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.resize((WIDTH, max(1, round(image.height * WIDTH / image.width))), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    image.crop((0, 0, WIDTH, min(image.height, HEIGHT))).quantize(64).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def write_pictures(book: Path) -> None:
    """Write the pictures that pages of `book` name into its folder for them, those that a chapter has."""
    pages = "".join(path.read_text(encoding="utf-8") for path in book.glob("*.md"))
    folder = book / FOLDER
    folder.mkdir(exist_ok=True)
    for label, png in chapter_figures(book / "chapters").items():
        if f"({FOLDER}/{label}.png)" in pages:
            (folder / f"{label}.png").write_bytes(thumbnail(png))
        if f"{FOLDER}/{label}-whole.png" in pages:
            (folder / f"{label}-whole.png").write_bytes(png)


def setup(app) -> dict:
    """Register with Sphinx."""
    app.connect("builder-inited", lambda app: write_pictures(Path(app.srcdir)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
