"""A ranking of one's own, beside the package's: what the chapter's function sees, and what it is held to."""

from __future__ import annotations

import numpy as np

from lottery_utils.demo.files import micro_bert_dir
from lottery_utils.models.load import load_classifier
from lottery_utils.pruning.components import component_sums
from lottery_utils.pruning.masks import StructuredMask, model_sizes
from lottery_utils.pruning.scores import View


def view_of_demo() -> View:
    """The demo's BERT with nothing removed, as a ranking of components gets it; without examples."""
    model = load_classifier(str(micro_bert_dir()), num_labels=2)
    sizes = model_sizes(model)
    return View(model, StructuredMask.full(sizes.layers, sizes.heads), data=None)


def written_weights(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Squared weights by which each head (L, H) and each MLP (L,) writes its output, summed by the package."""
    body = view.body
    outputs = {id(m.weight) for layer in range(body.layers) for m in (body.attention_out(layer), body.mlp_out(layer))}
    weights = body.prunable_parameters()
    return component_sums(body, {name: w.detach().square() * (id(w) in outputs) for name, w in weights.items()})
