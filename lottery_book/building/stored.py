"""Executed chapters made fit to be committed: nothing of one run or one machine, pictures in few bytes."""

from __future__ import annotations

import base64
import copy
import io
import os
import re
import sys
from pathlib import Path

from .chapters import KERNEL

INJECTED = "injected-parameters"
IPYKERNEL_FILE = re.compile(r"/[^\s'\"]*/ipykernel_\d+/(\d+)\.py")
ADDRESS_IN_MEMORY = re.compile(r"\bat 0x[0-9a-f]{6,}")
PNG, WIDGET = "image/png", "application/vnd.jupyter.widget-view+json"
COLOURS = 256  # most a palette holds


def strip_chapter(notebook, root: str | Path):
    """Return the executed `notebook` (nbformat 4) without what changes from run to run or names this machine.

    Goes: papermill's and the kernel's timings and paths, widget states, standard error (progress bars),
    addresses in memory, random cell ids of injected cells; `root`, the folder it ran in, becomes relative.
    Stays: code, text, tables, figures. The argument is left as it is.
    """
    notebook = copy.deepcopy(notebook)
    root = str(Path(root).resolve()).rstrip("/")
    language = notebook.metadata.get("language_info", {})
    notebook.metadata = type(notebook.metadata)(
        {"kernelspec": dict(KERNEL), "language_info": {"name": language.get("name", "python")}}
    )
    for number, cell in enumerate(notebook.cells):
        for key in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
        if INJECTED in cell.metadata.get("tags", []):
            cell.id = INJECTED if number else f"{INJECTED}-first"
        cell.source = _clean(cell.source, root)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = _clean(output.text, root)
            for kind, value in output.get("data", {}).items():
                if kind.startswith("text/") or kind == "image/svg+xml":
                    output.data[kind] = _clean(value, root)
    return notebook


def _clean(text: str, root: str) -> str:
    home = os.path.expanduser("~/")  # "/" is no home: its slash is in every path
    for path, shown in ((sys.prefix, "env"), (root + "/", ""), (root, "."), (home, "~/")):
        text = text.replace(path, shown) if len(path) > 1 else text
    return ADDRESS_IN_MEMORY.sub("at 0x0", IPYKERNEL_FILE.sub(r"cell \1", text))


def shrink_pictures(notebook):
    """Return `notebook` (nbformat 4), the PNG pictures of its outputs replaced in place by smaller equal ones."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if PNG in output.get("data", {}):
                picture = smaller(base64.b64decode(output.data[PNG]))
                output.data[PNG] = base64.b64encode(picture).decode("ascii")
    return notebook


def smaller(png: bytes) -> bytes:
    """The same pixels in fewer bytes, with a palette where 256 colours are enough; the resolution is kept.

    `png` itself where that cannot be had, or where it is not opaque.
    """
    from PIL import Image

    image = Image.open(io.BytesIO(png))
    if image.mode not in ("RGB", "RGBA", "P", "L") or image.convert("RGBA").getextrema()[3][0] < 255:
        return png
    about = {"dpi": image.info["dpi"]} if "dpi" in image.info else {}
    image = image.convert("RGB")
    if image.getcolors(COLOURS):  # None where there are more
        image = image.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)  # of so few each is its own
    packed = io.BytesIO()
    image.save(packed, "PNG", optimize=True, **about)
    return min(png, packed.getvalue(), key=len)
