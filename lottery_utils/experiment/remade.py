"""Masks and weights of cells upstream: as stored, or made again by their own stage where the records came without.

Records are shared without fine-tuned weights and large masks, and retrained weights are never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load
from safetensors.torch import save_file

from ..disk import put, sha256
from ..errors import CellFailed, UserError
from ..pruning.masks import StructuredMask, WeightMask, mask_from
from .cells import Cell, upstream
from .locks import claim
from .store import CHECKPOINT, MASK, PREDICTIONS
from .work import Mask, Result, Work, run


def recorded_mask(work: Work, cell: Cell, notes: list[str] | None = None) -> Mask:
    """The mask of a search or control cell, its checksum verified; made again where its record came without it.

    Made again it must be the recorded one. Where there are `notes` to say so, as many weights are enough: which lie
    next to a threshold hangs on the last bit of the fine-tuned weights, and that on the processor.
    """
    content = work.store.content(work.address(cell), MASK)
    where = f"the mask of {cell.name}"
    try:
        mask = mask_from(_mask_again(work, cell, notes) if content is None else content, where)
        kind = StructuredMask if cell.method == "structured" else WeightMask
        if not isinstance(mask, kind):
            raise UserError(f"{where}: expected a {kind.__name__}, got a {type(mask).__name__}")
        return mask
    except UserError as error:  # a stored file, not the user's: this cell fails, the others go on
        raise CellFailed(f"{error} (see 'lottery verify')") from None


def make_upstream_again(work: Work) -> None:
    """Make weights and masks that the cell reads and nobody stored: their time and energy are not the cell's."""
    for cell in upstream(work.cell, work.preset.seeds):
        if cell.stage == "finetune" or (cell.stage == "retrain" and work.preset.probe_retrained):
            checkpoint_of(work, cell)
        elif cell.stage in ("search", "control"):
            recorded_mask(work, cell, notes=[])


def _made_again(work: Work, cell: Cell, name: str, save: Callable[[Result, Path], None]) -> Path:
    """A file of a cell in its scratch folder, where the cell's stage makes it unless it is there."""
    address = work.address(cell)
    path = work.store.scratch(address) / name
    if path.is_file():  # written as a whole; a store of another owner takes no claims
        return path
    with claim(work.store.root, f"{address}.{name}", wait=True):  # another worker may be making it
        if not path.is_file():
            put(path, partial(save, run(replace(work, cell=cell))))
    return path


def _mask_again(work: Work, cell: Cell, notes: list[str] | None) -> bytes:
    """What a mask file made again holds; raises CellFailed where `recorded_mask` cannot take it."""
    path = _made_again(work, cell, MASK, lambda result, path: result.mask.save(path, {"cell": cell.name}))
    content, record = path.read_bytes(), work.record(cell)
    if sha256(path) == record["files"][MASK]:
        return content
    mask, lost = mask_from(content, str(path)), f"the mask of {cell.name} was not stored"
    if notes is not None and isinstance(mask, WeightMask) and mask.size == record["counts"]["weights"]:
        notes.append(f"{lost} and was made again: as many weights, but not all of them the recorded ones")
        return content
    raise CellFailed(f"{lost} and comes out differently here; compute it in another results folder")


def checkpoint_of(work: Work, cell: Cell) -> tuple[Path, list[str]]:
    """Path of the weights that `cell`, a finetune or retrain cell, ended with, and notes for whoever uses them.

    Weights made again stay in a scratch folder; a note says how far their logits are from the recorded ones, unless
    they are these.
    """
    if (path := work.store.checkpoint(work.address(cell))) is not None:
        return path, []
    path = _made_again(work, cell, CHECKPOINT, partial(_save_weights, work, cell))
    with safe_open(path, "np") as file:
        apart = float((file.metadata() or {}).get("apart", 0.0))
    note = f"the weights of {cell.name} were not stored and were made again; their logits differ from the recorded ones"
    return path, [f"{note} by up to {apart:.3g}"] if apart else []


def _save_weights(work: Work, cell: Cell, result: Result, path: Path) -> None:
    """Write a cell's weights, with how far their logits are `apart` from the recorded ones."""
    kept = result.checkpoint if result.checkpoint is not None else result.model.state_dict()
    recorded = load(work.store.content(work.address(cell), PREDICTIONS))["logits"]
    apart = float(np.abs(recorded.astype(np.float64) - result.logits).max())
    save_file({name: value.detach().cpu().contiguous() for name, value in kept.items()}, path, {"apart": repr(apart)})
