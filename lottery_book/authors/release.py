"""The release folder: where its parts lie, and its masks, read and validated."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lottery_utils.errors import UserError

from .problems import Problems

LAYERS, HEADS = 12, 12  # bert-base, the only model of the release
SHAPES = {"head": (LAYERS, HEADS), "mlp": (LAYERS,)}
SEEDS = (1337, 42, 86, 71, 166)
GLUE = ("CoLA", "MNLI", "MRPC", "QNLI", "QQP", "RTE", "SST-2", "STS-B", "WNLI")  # as the release names its folders
MASKS, RESULTS = "masks", "evaluate_masked"
SEED_FOLDER = re.compile(r"seed_(\d+)")
PICKLES = (".pkl", ".bin", ".pt", ".pth", ".pickle")
LARGEST = 1 << 20  # bytes; the largest array here has 144 numbers


@dataclass
class Release:
    """A release that was read: `masks[family, task, component][seed]` is bool, (12, 12) for "head", (12,) for "mlp".

    `files` are all files below the root (no hidden folders), `pickles` the number of those that hold pickles and
    were not opened.
    """

    root: Path
    files: list[Path]
    problems: Problems
    masks: dict[tuple[str, str, str], dict[int, np.ndarray]] = field(default_factory=dict)
    arrays: int = 0
    pickles: int = 0

    def families(self) -> list[str]:
        """The folders below masks/ that hold a mask, sorted."""
        return sorted({family for family, _, _ in self.masks})

    def tasks(self, family: str) -> list[str]:
        """The task folders of a family, sorted."""
        return sorted({task for name, task, _ in self.masks if name == family})

    def stacked(self, family: str, task: str, component: str) -> tuple[list[int], np.ndarray]:
        """Seeds in order and their masks as bool (seeds, components); none gives shape (0, components)."""
        found = self.masks.get((family, task, component), {})
        size = int(np.prod(SHAPES[component]))
        seeds = sorted(found)
        return seeds, np.array([found[seed].ravel() for seed in seeds], bool).reshape(len(seeds), size)


def find_root(folder: str | Path) -> Path:
    """The folder that holds masks/ or evaluate_masked/: `folder` itself, its parent or one folder below.

    Raises UserError when there is none, or more than one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; give a clone of sai-prasanna/bert-experiments")
    if _holds_parts(folder):
        return folder
    if folder.resolve().name in (MASKS, RESULTS):
        return folder.resolve().parent
    below = sorted(path for path in folder.iterdir() if path.is_dir() and _holds_parts(path))
    if len(below) == 1:
        return below[0]
    found = f"found {len(below)}: {', '.join(path.name for path in below[:5])}" if below else "found neither"
    raise UserError(f"{folder}: expected one folder with {MASKS}/ or {RESULTS}/, {found}; give the clone's root")


def read_release(folder: str | Path) -> Release:
    """Read every mask below masks/; what cannot be read is noted in `Release.problems`.

    Arrays are loaded with `allow_pickle=False`; importances and entropies are only checked. Raises UserError when
    `folder` holds no release.
    """
    root = find_root(folder)
    release = Release(root, _files(root), Problems(root))
    release.pickles = sum(path.suffix in PICKLES for path in release.files)
    for part in (MASKS, RESULTS):
        if not (root / part).is_dir():
            release.problems.add(root / part, "missing", "the folder is not there; its tables are empty")
    for path in release.files:
        if path.suffix == ".npy" and path.is_relative_to(root / MASKS):
            _read_array(release, path)
    _note_missing(release)
    return release


def _holds_parts(folder: Path) -> bool:
    return (folder / MASKS).is_dir() or (folder / RESULTS).is_dir()


def _files(root: Path) -> list[Path]:
    found = []
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [path for name in sorted(names) if (path := Path(place, name)).is_file()]  # a pipe would never end
    return found


def _read_array(release: Release, path: Path) -> None:
    """Take in a mask, check any other array."""
    note = release.problems.add
    release.arrays += 1
    component, _, kind = path.stem.partition("_")
    shape = SHAPES.get("head" if component == "attn" else component)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path.stat().st_size} bytes, expected a few hundred")
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged header can raise nearly anything
        note(path, "damaged", f"not a plain array: {error}")
        return
    if shape is None:
        note(path, "unexpected", "a name that is not known; not used")
    elif not isinstance(array, np.ndarray) or array.shape != shape or array.dtype.kind not in "fiub":
        note(path, "damaged", f"expected numbers of shape {shape}, got {_described(array)}")
    elif not np.isfinite(array).all():
        note(path, "damaged", "holds values that are not finite")
    elif kind == "mask":
        _take_mask(release, path, component, array)


def _take_mask(release: Release, path: Path, component: str, array: np.ndarray) -> None:
    note, place = release.problems.add, path.relative_to(release.root / MASKS).parts
    seed = SEED_FOLDER.fullmatch(place[2]) if len(place) == 4 else None
    if seed is None:
        note(path, "unexpected", f"expected {MASKS}/FAMILY/TASK/seed_NUMBER/; not used")
    elif not np.isin(array, (0, 1)).all():
        note(path, "damaged", "a mask holds other values than 0 and 1")
    else:
        release.masks.setdefault((place[0], place[1], component), {})[int(seed[1])] = array.astype(bool)


def _note_missing(release: Release) -> None:
    """Masks that a family has for other tasks or seeds, and seeds of the paper that are not there."""
    for family in sorted(path.name for path in (release.root / MASKS).glob("*") if path.is_dir()):
        components = sorted({c for name, _, c in release.masks if name == family})
        folders = sorted(path.name for path in (release.root / MASKS / family).iterdir() if path.is_dir())
        if not components:
            release.problems.add(release.root / MASKS / family, "unexpected", "no mask could be read in this family")
            continue
        expected = set(folders) if not set(folders) & set(GLUE) else set(folders) | set(GLUE)
        for task in sorted(expected):
            for component in components:
                there = release.masks.get((family, task, component), {})
                for seed in sorted({*SEEDS, *there} - set(there)):
                    path = release.root / MASKS / family / task / f"seed_{seed}" / f"{component}_mask.npy"
                    if not path.exists():  # else it is listed as damaged
                        release.problems.add(path, "missing", "averages go over the seeds that are there")


def _described(array: object) -> str:
    if not isinstance(array, np.ndarray):
        return type(array).__name__
    return f"{array.dtype} of shape {array.shape}"
