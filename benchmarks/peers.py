"""The procedures compared with, written plainly by us after their definitions; the package never imports them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from lottery_utils.pruning.masks import StructuredMask

EPS = 1e-20


def padded(data, rows: np.ndarray, length: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Rows as a batch of `length` tokens each, with its attention mask, and labels."""
    ids = torch.full((len(rows), length), data.pad)
    types, real = torch.zeros_like(ids), torch.zeros_like(ids)
    for place, row in enumerate(rows):
        begin, end = data.starts[row], data.starts[row + 1]
        ids[place, : end - begin] = torch.from_numpy(data.ids[begin:end].astype(np.int64))
        if len(data.types):
            types[place, : end - begin] = torch.from_numpy(data.types[begin:end].astype(np.int64))
        real[place, : end - begin] = 1
    inputs = {"input_ids": ids, "token_type_ids": types, "attention_mask": real}
    return inputs, torch.from_numpy(np.asarray(data.labels)[rows])


class PlainGates:
    """Masks on BERT's heads and MLPs, multiplied into their outputs, each a tensor that requires gradients."""

    def __init__(self, model: nn.Module):
        self.heads = self.mlps = None
        self.handles = []
        for i, layer in enumerate(model.bert.encoder.layer):
            heads = layer.attention.self.num_attention_heads

            def on_heads(module, args, i=i, heads=heads):
                x = args[0]
                gate = self.heads[i].view(-1, 1, heads, 1) if self.heads[i].dim() > 1 else self.heads[i].view(heads, 1)
                return ((x.view(*x.shape[:-1], heads, -1) * gate).view(x.shape),)

            def on_mlp(module, args, output, i=i):
                gate = self.mlps[i]
                return output * (gate.view(-1, 1, 1) if gate.dim() else gate)

            self.handles.append(layer.attention.output.dense.register_forward_pre_hook(on_heads))
            self.handles.append(layer.output.dense.register_forward_hook(on_mlp))

    def remove(self) -> None:
        """Take the gates off."""
        for handle in self.handles:
            handle.remove()


def plain_batch(model, gates: PlainGates, data, rows, mask: StructuredMask, length: int, each: bool):
    """One batch forward and backward, all weights with gradients: gradients of gates (heads, mlps), and logits.

    `each`: a gate for every example and the summed loss (exact); else one gate and the mean loss (released).
    """
    inputs, labels = padded(data, rows, length)
    heads, mlps = torch.from_numpy(mask.heads).float(), torch.from_numpy(mask.mlps).float()
    if each:
        heads, mlps = heads[:, None].repeat(1, len(rows), 1), mlps[:, None].repeat(1, len(rows))
    gates.heads, gates.mlps = heads.requires_grad_(), mlps.requires_grad_()
    logits = model(**inputs).logits
    F.cross_entropy(logits, labels, reduction="sum" if each else "mean").backward()
    return gates.heads.grad, gates.mlps.grad, logits.detach()


def plain_pass(model, gates: PlainGates, data, mask: StructuredMask, protocol: str, batch: int, length: int):
    """Importances of heads (L, H) and MLPs (L,), and logits (N, C), under a mask, over the whole dev set.

    "released" never zeroes the masks' gradients between batches and adds up their absolute values, as the authors do.
    """
    model.eval()
    model.zero_grad()
    totals, running, logits = [0.0, 0.0], [0.0, 0.0], []
    for begin in range(0, len(data), batch):
        rows = np.arange(begin, min(begin + batch, len(data)))
        *grads, out = plain_batch(model, gates, data, rows, mask, length, protocol == "exact")
        logits.append(out)
        for k, grad in enumerate(grads):
            grad = grad.double()
            if protocol == "exact":
                totals[k] = totals[k] + grad.abs().sum(1).numpy()
            else:
                running[k] = running[k] + grad.numpy()
                totals[k] = totals[k] + np.abs(running[k])
    return totals[0], totals[1], torch.cat(logits).numpy()


@dataclass
class PlainSearch:
    """The masks looked at, their scores, and the good one."""

    masks: list[StructuredMask]
    scores: list[float]
    good: StructuredMask


def plain_search(model, data, score, protocol: str, threshold: float = 0.9, batch: int = 64, length: int = 128):
    """The authors' joint search (protocol, section 3), or with exact importances, fresh ones at each phase's start.

    `score` turns logits (N, C) into the dev score. Parts are masked and not removed, every batch is padded to `length`.
    """
    config = model.config
    layers, width = config.num_hidden_layers, config.num_attention_heads
    gates = PlainGates(model)
    step, half = max(1, int(0.1 * layers * width)), max(1, max(1, int(0.1 * layers * width)) // 2)
    masks, scores = [], []

    def look(mask):
        heads, mlps, logits = plain_pass(model, gates, data, mask, protocol, batch, length)
        norm = np.sqrt((heads**2).sum(1, keepdims=True)) + EPS
        masks.append(mask)
        scores.append(score(logits))
        return heads / norm, mlps

    try:
        good = StructuredMask.full(layers, width)
        ranks = of_good = look(good)
        target = threshold * scores[0]
        for phase in (1, 2, 3):
            if protocol == "exact":
                ranks = of_good
            taken = 0
            while not (phase == 2 and not good.heads.any()) and not (phase == 3 and not good.mlps.any()):
                taken += 1
                together = taken * layers // 12 - (taken - 1) * layers // 12  # the paper's one a step, at 12 layers
                heads, mlps = {1: (step, together), 2: (half, 0), 3: (0, 1)}[phase]
                following = StructuredMask(_without(good.heads, ranks[0], heads), _without(good.mlps, ranks[1], mlps))
                if following == good:
                    if not (good.heads.any() or good.mlps.any()):
                        break
                    continue
                ranks = look(following)
                if scores[-1] < target:
                    break
                good, of_good = following, ranks
    finally:
        gates.remove()
        model.zero_grad(set_to_none=True)
    return PlainSearch(masks, scores, good)


def _without(kept: np.ndarray, ranks: np.ndarray, amount: int) -> np.ndarray:
    """`kept` without the lowest-ranked of its members; of equal ones the first go."""
    members = np.flatnonzero(kept)
    members = members[np.argsort(ranks.reshape(-1)[members], kind="stable")]
    after = kept.copy()
    after.reshape(-1)[members[:amount]] = False
    return after
