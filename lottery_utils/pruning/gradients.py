"""The gradient of the loss with respect to weights, over some examples, dropout off."""

from __future__ import annotations

import torch

from ..training.batches import Encoded
from ..training.evaluate import batch_loss, forward_of, model_device
from .importance import TOKENS


def loss_gradients(
    model: torch.nn.Module, parameters: dict[str, torch.nn.Parameter], data: Encoded, precision: str = "fp32"
) -> dict[str, torch.Tensor]:
    """d L / d w for each of `parameters` (name to parameter), L the mean loss over `data`; the model is left as found.

    Gates on the model count. Parameters that the loss does not reach have a gradient of 0.
    """
    params, device, was_training = list(parameters.values()), model_device(model), model.training
    asked = [p.requires_grad for p in params]
    total = [torch.zeros_like(p) for p in params]
    model.eval()
    try:
        for p in params:
            p.requires_grad_(True)
        for rows in list(forward_of(model, data, precision).batches(TOKENS)):
            with torch.enable_grad():
                logits, rows = forward_of(model, data, precision)(rows)  # anew: it may hold a graph of the weights
                loss = batch_loss(logits, torch.from_numpy(data.labels[rows]).to(device), "sum") / len(data)
            for whole, part in zip(total, torch.autograd.grad(loss, params, materialize_grads=True)):
                whole += part
    finally:
        for p, before in zip(params, asked):
            p.requires_grad_(before)
        model.train(was_training)
    return dict(zip(parameters, total))
