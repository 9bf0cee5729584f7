"""Networks that loss surface and probes compare, full, good, random and bad; and weights put back after changes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from safetensors.torch import load_file
from torch import nn

from lottery_utils.experiment.cells import COMPARED, Cell, full, mask_source
from lottery_utils.experiment.remade import checkpoint_of, recorded_mask
from lottery_utils.experiment.stage import prune
from lottery_utils.experiment.work import Mask, Result, Work


def trained(work: Work, result: Result, cell: Cell) -> nn.Module:
    """The model of a finetune or retrain cell as it was after training, in eval mode on the cell's device.

    Retrained weights are not stored: they are made again where the store's scratch folder does not have them, and a
    note says so where their logits are not the recorded ones.
    """
    path, notes = checkpoint_of(work, cell)
    model = replace(work, cell=cell).classifier()
    if cell.stage == "retrain":
        model = prune(model, recorded_mask(work, mask_source(cell)))
    model.load_state_dict(load_file(path))
    result.notes += notes
    return model.to(work.device).eval()


def masks_of(work: Work, seed: int) -> dict[str, Mask]:
    """The masks of the good, random and bad subnetworks of task, method and seed; empty after a degenerate search."""
    cells = {name: mask_source(Cell(work.cell.task, seed, "score", work.cell.method, name)) for name in COMPARED}
    if work.record(cells["good"])["degenerate"]:
        return {}
    return {name: recorded_mask(work, cell) for name, cell in cells.items()}


def networks(work: Work, result: Result, masks: dict[str, Mask], retrained: bool = True) -> dict[str, nn.Module]:
    """The full model of the cell's seed, and each subnetwork as ``good.pruned`` and (if so) ``good.retrained``."""
    cell = work.cell
    models = {"full": trained(work, result, full(cell.task, cell.seed))}
    for name, mask in masks.items():
        models[f"{name}.pruned"] = prune(copy.deepcopy(models["full"]), mask)
    for name in masks if retrained else ():
        models[f"{name}.retrained"] = trained(work, result, Cell(cell.task, cell.seed, "retrain", cell.method, name))
    return models


@contextmanager
def restored(parameters: Iterable[nn.Parameter]) -> Iterator[list[torch.Tensor]]:
    """Within, `parameters` may be changed in place; afterwards they are bit for bit what they were, which it gives."""
    parameters = list(parameters)
    before = [p.detach().clone() for p in parameters]
    try:
        yield before
    finally:
        with torch.no_grad():
            for p, values in zip(parameters, before, strict=True):
                p.copy_(values)
