"""Trained weights and masks that are not in the store, so they are made again.

Records are shared without the fine-tuned weights and large masks; retrained weights are never stored.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load
from safetensors.torch import save_file

from ..disk import replace, sha256
from ..errors import CellFailed
from .cells import Cell
from .locks import claim
from .store import CHECKPOINT, MASK, PREDICTIONS

if TYPE_CHECKING:
    import torch

    from .stage import Result, Work


def checkpoint_of(work: Work, cell: Cell) -> tuple[Path, list[str]]:
    """Path of the weights that `cell`, a finetune or retrain cell, ended with, and notes for whoever uses them.

    Weights that come out bit for bit as recorded go back into the store; others stay beside it, in a
    scratch folder, and the note says how far their predictions are from the recorded ones.
    """
    address = work.address(cell)
    path = work.store.checkpoint(address)
    if path is not None:
        return path, []
    with claim(work.store.root, f"{address}.weights", wait=True):  # another worker may be making them
        path = work.store.checkpoint(address)
        return (path, []) if path is not None else _recovered(work, cell, address)


def _recovered(work: Work, cell: Cell, address: str) -> tuple[Path, list[str]]:
    scratch = work.store.scratch(address)
    path, about = scratch / CHECKPOINT, scratch / "about.json"
    if not path.is_file() or not about.is_file():
        from .stage import run

        result = run(dataclasses.replace(work, cell=cell))
        part = scratch / f"{CHECKPOINT}.{os.getpid()}"
        save_file(_weights(result), part)
        if work.store.restore(address, part):
            return work.store.folder(address) / CHECKPOINT, []
        recorded = load(work.store.content(address, PREDICTIONS))["logits"]
        apart = float(np.abs(recorded.astype(np.float64) - result.logits).max())
        replace(about, json.dumps({"apart": apart}).encode())
        os.replace(part, path)
    apart = json.loads(about.read_text(encoding="utf-8"))["apart"]
    how = f"differ from the recorded ones by up to {apart:.3g}" if apart else "are the recorded ones"
    return path, [f"the weights of {cell.name} were not stored and were made again; their logits {how}"]


def _weights(result: Result) -> dict[str, torch.Tensor]:
    """What a stage would keep, or where it keeps nothing, the weights of its model."""
    kept = result.checkpoint if result.checkpoint is not None else result.model.state_dict()
    return {name: value.detach().cpu().contiguous() for name, value in kept.items()}


def mask_again(work: Work, cell: Cell) -> bytes:
    """The mask file of a search or control cell whose record came without it, made again in a scratch folder.

    Raises CellFailed where it is not, bit for bit, the recorded one.
    """
    address = work.address(cell)
    path = work.store.scratch(address) / MASK
    if not path.is_file():
        from .stage import run

        part = path.with_name(f"{MASK}.{os.getpid()}")
        run(dataclasses.replace(work, cell=cell)).mask.save(part, {"cell": cell.name})
        os.replace(part, path)
    if sha256(path) != work.record(cell)["files"][MASK]:
        lost = f"the mask of {cell.name} is not stored and comes out differently here"
        raise CellFailed(f"{work.cell.name}: {lost}; compute it in another results folder")
    return path.read_bytes()
