"""Images in class folders, as torchvision's ImageFolder lays them out: which there are, which are train, which dev."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError, shown
from ..taskfile import Definition
from .rows import RawSplit
from .sources import Found

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")  # Pillow knows others that start programs
DEV_FOLDERS = ("dev", "validation", "valid", "val", "test")  # the first that is there
SHARE = 5  # without such a folder one image in so many is dev
EXPECTED = f"expected FOLDER/train/CLASS/*.png and FOLDER/{'|'.join(DEV_FOLDERS)}/CLASS/*.png, or FOLDER/CLASS/*.png"


def class_names(root: Path) -> tuple[str, ...]:
    """The classes of a folder of images: the names of its train part's subfolders, sorted.

    Raises UserError for a folder that is none, or that has fewer than two classes.
    """
    train, _ = _parts(root)
    names = tuple(sorted(folder.name for folder in _folders(train)))
    if not names:
        there = ", ".join(shown(path.name) for path in sorted(train.iterdir())[:6]) or "nothing"
        raise UserError(f"images folder {train} has no class folders; {EXPECTED}; found {there}")
    for name in names:
        if not name.isprintable() or not name.strip():
            raise UserError(f"images folder {train}: class folder {shown(name)} has no printable name; rename it")
    if len(names) < 2:
        raise UserError(f"images folder {train} has one class, {shown(names[0])}; two or more are needed; {EXPECTED}")
    return names


def image_splits(definition: Definition, description: str) -> Found:
    """Train and dev of a task of images; every image is read once, so that a damaged one is named here.

    Rows come in the order of the SHA-256 of the files, a mixture of the classes that does not depend on names. Where
    there is no dev folder, dev is in each class the fifth of the images whose SHA-256 are smallest, and equal files
    stay together. Raises UserError, one line, for folders that do not fit and for what is no image.
    """
    root = definition.images
    train, dev = _parts(root)
    names = [value for value, _ in definition.labels]
    rows, notes = _rows(train, names, whole=True)
    if dev is not None:
        held, more = _rows(dev, names, whole=False)
        places, notes = (train.name, dev.name), notes + more
    else:
        rows, held = _divided(train, rows)
        places = ("train", "dev")
        notes.append(f"dev is drawn from {train.name}: of each class, the {SHARE}th of the images with least SHA-256")
    splits = _raw(train, rows, places[0]), _raw(dev or train, held, places[1])
    source = f"{description}: images in {root.resolve().name}, {places[0]} and {places[1]}"
    return Found(source, *splits, (None, None), tuple(notes))


def open_image(path: Path, content: bytes | None = None) -> Image:
    """One image as 8-bit RGB, upright (EXIF), what is transparent on white, of 16-bit grey the upper 8 bits.

    The first frame of an animation counts. Raises UserError for a file that is no whole image, or a huge one.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning)  # odd metadata
            data = path.read_bytes() if content is None else content
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                image.load()
                image = ImageOps.exif_transpose(image)
                return _rgb(image)
    except Exception as error:  # of many kinds, SyntaxError and struct.error among them
        reason = " ".join(str(error).split()).replace(repr(error), "")[:100] or type(error).__name__
        if "cannot identify" in reason:
            reason = f"no image of the kinds {', '.join(FORMATS)}"
        raise UserError(f"{path}: cannot be read as an image ({reason}); replace or remove it") from error


def _rgb(image: Image) -> Image:
    from PIL import Image as module

    if image.mode.startswith("I"):  # 16 bits; converted as it is, all above 255 would be white
        image = module.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        return module.alpha_composite(module.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _parts(root: Path) -> tuple[Path, Path | None]:
    """The folders of train's and dev's classes; None for dev where it is drawn from train."""
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise UserError(f"images folder {root} {what}; {EXPECTED}")
    inside = {folder.name.lower(): folder for folder in _folders(root)}
    train = inside.get("train")
    if train is None or not _folders(train):
        return root, None
    return train, next((inside[name] for name in DEV_FOLDERS if name in inside), None)


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX")))
    except OSError as error:
        raise UserError(f"images folder {root} cannot be read: {error.strerror}; check its permissions") from error


def _rows(part: Path, names: list[str], whole: bool) -> tuple[list[tuple[str, str, Path]], list[str]]:
    """(SHA-256, class, file) of every image, sorted, and notes; with `whole` every class must have one."""
    rows, other = [], []
    for folder in _folders(part):
        if folder.name not in names:
            listed = ", ".join(map(shown, names[:12]))
            raise UserError(f"images folder {part}: {shown(folder.name)} is not among the classes {listed}; remove it")
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
        images = [path for path in files if path.suffix.lower() in ENDINGS]
        if not images:
            found = f"; found {shown(next(folder.iterdir()).name)}" if any(folder.iterdir()) else ""
            raise UserError(f"class folder {folder} has no images ({', '.join(ENDINGS)}){found}; fill or remove it")
        other += [path for path in files if path.suffix.lower() not in ENDINGS]
        for path in images:
            rows.append((_checked(path), folder.name, path))
    if whole and (missing := [name for name in names if name not in {name for _, name, _ in rows}]):
        raise UserError(f"images folder {part} has no class folder {shown(missing[0])}, which labels name; {EXPECTED}")
    rows.sort()
    text = f"{part.name}: {len(other)} files that are no images are left out"
    notes = [f"{text}, such as {other[0].name}"] if other else []
    of = Counter(digest for digest, _ in {(digest, name) for digest, name, _ in rows})
    if twice := sum(count > 1 for count in of.values()):
        notes.append(f"{part.name}: {twice} images are in more than one class")
    return rows, notes


def _checked(path: Path) -> str:
    """The SHA-256 of an image that can be read."""
    try:
        content = path.read_bytes()
        path.name.encode()
    except UnicodeEncodeError:
        raise UserError(f"image {shown(path.name)} in {path.parent} has a name that is no text; rename it") from None
    except OSError as error:
        raise UserError(f"image {path} cannot be read: {error.strerror}; check the file") from error
    open_image(path, content)
    return hashlib.sha256(content).hexdigest()


def _divided(part: Path, rows: list[tuple[str, str, Path]]) -> tuple[list, list]:
    """Rows of train and of dev; `rows` are sorted by SHA-256."""
    train, dev = [], []
    for name in sorted({name for _, name, _ in rows}):
        own = [row for row in rows if row[1] == name]
        last = own[max(1, round(len(own) / SHARE)) - 1][0]
        held = [row for row in own if row[0] <= last]
        if len(held) == len(own):
            raise UserError(
                f"class folder {part / name} has one image only (equal ones count once), expected at least two: "
                "one for train, one for dev; add images"
            )
        dev += held
        train += own[len(held) :]
    return sorted(train), sorted(dev)


def _raw(part: Path, rows: list[tuple[str, str, Path]], name: str) -> RawSplit:
    digests, labels, files = (list(column) for column in zip(*rows)) if rows else ([], [], [])
    lines = [f"image {path.parent.name}/{path.name}" for path in files]
    return RawSplit({"image": digests, "label": labels}, str(part), name, lines=lines, files=files)
