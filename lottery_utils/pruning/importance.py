"""Importance of heads and MLPs: how much the loss feels their gates (paper section 3.2; protocol section 2)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np
import torch

from ..models.anatomy import anatomy
from ..models.gates import Gates
from ..training.batches import Encoded, collate, eval_batches, plain_batches
from ..training.device import autocast
from ..training.evaluate import batch_loss, model_device
from .masks import StructuredMask

RELEASED_BATCH = 64  # the authors' batch size in all stored searches
EPS = 1e-20


@dataclass(frozen=True)
class Importance:
    """Scores of one pass under one mask: heads float64 (L, H), mlps float64 (L,), and the pass's logits (N, C)."""

    heads: np.ndarray
    mlps: np.ndarray
    logits: np.ndarray


def importance(
    model: torch.nn.Module,
    data: Encoded,
    mask: StructuredMask,
    protocol: str = "exact",
    precision: str = "fp32",
    released_batch: int = RELEASED_BATCH,
) -> Importance:
    """Importance of every component under `mask`, raw (no normalisation), with the logits of the same pass.

    "exact": E_x |dL(x)/d gate|, the formula the paper prints: one gate per example, so one backward pass a
    batch gives every example's gradient. "released": what the authors' script computes: batches of 64 in
    data order, the batch-mean loss, gradients never zeroed, so I = sum_b |sum_{b'<=b} g_b'|.
    The model's weights are frozen during the pass and left as found.
    """
    passes = _exact_pass if protocol == "exact" else _released_pass
    view = anatomy(model)
    device = model_device(model)
    head_mask = torch.from_numpy(mask.heads).to(device=device, dtype=torch.float32)
    mlp_mask = torch.from_numpy(mask.mlps).to(device=device, dtype=torch.float32)
    totals = [np.zeros((view.layers, view.heads)), np.zeros(view.layers)]
    logits: np.ndarray | None = None
    batches = eval_batches(data) if protocol == "exact" else plain_batches(data, released_batch)
    with _frozen(model), Gates(model) as gates:
        state: list[np.ndarray] = []
        for rows in batches:
            batch = collate(data, rows, device)
            scores, out = passes(model, gates, batch, head_mask, mlp_mask, precision, state)
            for total, score in zip(totals, scores):
                total += score
            out = out.detach().float().cpu().numpy()
            if logits is None:
                logits = np.empty((len(data), out.shape[1]), np.float32)
            logits[rows] = out
    if protocol == "exact":
        totals = [total / len(data) for total in totals]
    return Importance(totals[0], totals[1], logits)


def normalise_heads(scores: np.ndarray, live: np.ndarray | None = None) -> np.ndarray:
    """Divide each layer's head scores (L, H) by the layer's L2 norm, over its `live` heads when given.

    The authors' norm takes in pruned heads too (their gradient at gate 0 is not zero).
    """
    counted = scores if live is None else np.where(live, scores, 0.0)
    return scores / (np.sqrt((counted**2).sum(axis=1, keepdims=True)) + EPS)


def _exact_pass(model, gates, batch, head_mask, mlp_mask, precision, state):
    """Sum over the batch of |d loss(x) / d gate|: heads (L, H), mlps (L,)."""
    size = len(batch.rows)
    heads = head_mask[:, None, :].repeat(1, size, 1).requires_grad_()
    mlps = mlp_mask[:, None].repeat(1, size).requires_grad_()
    gates.set(heads, mlps)
    with autocast(heads.device, precision):
        logits = model(**batch.inputs).logits
    loss = batch_loss(logits, batch.labels, "sum")
    grads = torch.autograd.grad(loss, (heads, mlps))
    return [g.abs().sum(dim=1).double().cpu().numpy() for g in grads], logits


def _released_pass(model, gates, batch, head_mask, mlp_mask, precision, state):
    """|running sum of batch-mean gradients|, as a gradient that is never zeroed gives it."""
    heads, mlps = head_mask.clone().requires_grad_(), mlp_mask.clone().requires_grad_()
    gates.set(heads, mlps)
    with autocast(heads.device, precision):
        logits = model(**batch.inputs).logits
    grads = torch.autograd.grad(batch_loss(logits, batch.labels, "mean"), (heads, mlps))
    new = [g.double().cpu().numpy() for g in grads]
    state[:] = [old + g for old, g in zip(state, new)] if state else new
    return [np.abs(total) for total in state], logits


@contextlib.contextmanager
def _frozen(model: torch.nn.Module):
    """Dropout off and no weight gradients: the backward pass then costs about half."""
    params, was_training = [p for p in model.parameters() if p.requires_grad], model.training
    model.eval()
    for p in params:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in params:
            p.requires_grad_(True)
        model.train(was_training)
