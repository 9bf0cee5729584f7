"""Trained weights and masks that are not in the store, so they are made again.

Records are shared without the fine-tuned weights and large masks; retrained weights are never stored.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load
from safetensors.torch import save_file

from ..disk import sha256
from ..errors import CellFailed
from .cells import Cell
from .locks import claim
from .store import CHECKPOINT, MASK, PREDICTIONS

if TYPE_CHECKING:
    from .stage import Work


def checkpoint_of(work: Work, cell: Cell) -> tuple[Path, list[str]]:
    """Path of the weights that `cell`, a finetune or retrain cell, ended with, and notes for whoever uses them.

    Weights that come out bit for bit as recorded go back into the store; others stay beside it, in a scratch folder,
    and a note says how far their logits are from the recorded ones, unless they are these.
    """
    address, store = work.address(cell), work.store
    if (path := store.checkpoint(address)) is not None:
        return path, []
    with claim(store.root, f"{address}.weights", wait=True):  # another worker may be making them
        if (path := store.checkpoint(address)) is not None:
            return path, []
        path = store.scratch(address) / CHECKPOINT
        if not path.is_file():
            part = path.with_name(f"{CHECKPOINT}.{os.getpid()}")
            if _make_again(work, cell, part):
                return store.folder(address) / CHECKPOINT, []
            os.replace(part, path)
    with safe_open(path, "np") as file:
        apart = float(file.metadata()["apart"])
    note = f"the weights of {cell.name} were not stored and were made again; their logits differ from the recorded ones"
    return path, [f"{note} by up to {apart:.3g}"] if apart else []


def _make_again(work: Work, cell: Cell, part: Path) -> bool:
    """Write a cell's weights; True where they are those the store lacked and gone there, else with how far they are."""
    from .stage import run

    result = run(dataclasses.replace(work, cell=cell))
    kept = result.checkpoint if result.checkpoint is not None else result.model.state_dict()
    weights = {name: value.detach().cpu().contiguous() for name, value in kept.items()}
    save_file(weights, part)
    if work.store.restore(work.address(cell), part):
        return True
    recorded = load(work.store.content(work.address(cell), PREDICTIONS))["logits"]
    apart = float(np.abs(recorded.astype(np.float64) - result.logits).max())
    save_file(weights, part, {"apart": repr(apart)})
    return False


def mask_again(work: Work, cell: Cell) -> bytes:
    """The mask file of a search or control cell whose record came without it, made again in a scratch folder.

    Raises CellFailed where it is not, bit for bit, the recorded one.
    """
    path = work.store.scratch(work.address(cell)) / MASK
    if not path.is_file():
        from .stage import run

        part = path.with_name(f"{MASK}.{os.getpid()}")
        run(dataclasses.replace(work, cell=cell)).mask.save(part, {"cell": cell.name})
        os.replace(part, path)
    if sha256(path) != work.record(cell)["files"][MASK]:
        lost = f"the mask of {cell.name} is not stored and comes out differently here"
        raise CellFailed(f"{work.cell.name}: {lost}; compute it in another results folder")
    return path.read_bytes()
