"""Families that the packed path does not compute: every step, by their own forward pass."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import types
from pathlib import Path

import numpy as np
import pytest
import small_world
import torch
from tiny import PLAIN_FAMILIES, tiny_batch, tiny_config, tiny_model

from lottery_utils.cli import main
from lottery_utils.experiment.study import open_study
from lottery_utils.fast.cut_passes import CutPasses
from lottery_utils.fast.packed_model import is_known
from lottery_utils.models import anatomy as anatomy_module
from lottery_utils.models.anatomy import FAMILIES, anatomy
from lottery_utils.models.attention_maps import attention_maps
from lottery_utils.models.compact import compact, dense, load_compact, save_compact
from lottery_utils.models.gates import Gates
from lottery_utils.models.load import load_classifier
from lottery_utils.pruning.importance import GatedPasses, open_passes
from lottery_utils.pruning.masks import StructuredMask, model_sizes
from lottery_utils.switch import plain
from lottery_utils.training.batches import Encoded

LAYERS, HEADS = 3, 4
SOME = (torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]]).bool(), torch.tensor([1, 1, 0]).bool())
NONE = (torch.zeros(LAYERS, HEADS).bool(), torch.zeros(LAYERS).bool())
ROOT = Path(__file__).resolve().parent.parent


def gated(model, batch, heads=None, mlps=None):
    with Gates(model) as gates:
        return gates.set(heads, mlps) and model(**batch).logits


def examples(count=9):
    """Random examples of several lengths."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 9, size=count)
    ids = rng.integers(5, 50, size=lengths.sum()).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return Encoded(ids, np.empty(0, np.int32), starts, rng.integers(0, 3, size=count), 0)


def test_a_checkpoint_that_computes_its_mlps_in_chunks_is_computed_whole(tmp_path):
    """Hooks on an MLP would see parts of the tokens."""
    model = tiny_model("bert")
    model.config.chunk_size_feed_forward = 3
    model.base_model.save_pretrained(tmp_path)
    loaded = load_classifier(str(tmp_path), 3)
    assert {layer.chunk_size_feed_forward for layer in loaded.base_model.encoder.layer} == {0}


@pytest.mark.parametrize("family", PLAIN_FAMILIES)
def test_each_gate_is_of_one_layer_and_head(family):
    model, batch = tiny_model(family), tiny_batch()
    assert not is_known(model) and (anatomy(model).layers, anatomy(model).heads) == (LAYERS, HEADS)
    with torch.no_grad():
        whole, found = model(**batch).logits, []
        for i in range(LAYERS):
            for gate in (*[(i, head) for head in range(HEADS)], None):
                heads, mlps = torch.ones(LAYERS, HEADS), torch.ones(LAYERS)
                if gate is None:
                    mlps[i] = 0
                else:
                    heads[gate] = 0
                found.append(gated(model, batch, heads, mlps))
        assert all((a - b).abs().max() > 1e-4 for k, a in enumerate(found) for b in (*found[:k], whole))
        assert torch.equal(gated(model, batch), whole) and torch.equal(model(**batch).logits, whole)


@pytest.mark.parametrize("family", PLAIN_FAMILIES)
def test_a_gate_of_one_layer_is_what_zeroed_weights_of_that_layer_do(family):
    model, batch = tiny_model(family), tiny_batch()
    heads, mlps = torch.ones(LAYERS, HEADS).bool(), torch.ones(LAYERS).bool()
    heads[1, 2], mlps[2] = False, False
    by_hand = copy.deepcopy(model)
    hand = anatomy(by_hand)
    with torch.no_grad():
        hand.attention_out(1).weight[:, 2 * hand.head_dim : 3 * hand.head_dim] = 0
        for parameter in hand.mlp_out(2).parameters():
            parameter.zero_()
        torch.testing.assert_close(gated(model, batch, heads, mlps), by_hand(**batch).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", PLAIN_FAMILIES)
def test_compact_and_dense_compute_what_gates_compute(family, attention, tmp_path):
    model = tiny_model(family, attention=attention)
    for number, (heads, mlps) in enumerate((SOME, NONE, (SOME[0], NONE[1]))):
        small = compact(model, heads, mlps)
        save_compact(small, tmp_path / str(number))
        forms = (small, copy.deepcopy(small), load_compact(tmp_path / str(number)), dense(small))
        assert not anatomy(small).whole and anatomy(model).whole and anatomy(forms[3]).whole
        with pytest.raises(ValueError, match="compact"):
            Gates(small)
        for padded in (True, False):
            batch = tiny_batch(padded=padded)
            with torch.no_grad():
                want = gated(model, batch, heads, mlps)
                for form in forms:
                    torch.testing.assert_close(form(**batch).logits, want, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", PLAIN_FAMILIES)
def test_compact_learns_as_gated(family):
    model, batch, labels = tiny_model(family), tiny_batch(), torch.tensor([0, 1, 2, 1, 0])
    small = compact(model, *SOME).train()
    model.train()
    optimisers = [torch.optim.SGD(m.parameters(), lr=0.05) for m in (model, small)]
    with Gates(model) as gates:
        gates.set(*SOME)
        for _ in range(3):
            for m, optimiser in zip((model, small), optimisers):
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(m(**batch).logits, labels).backward()
                optimiser.step()
        torch.testing.assert_close(small(**batch).logits, model(**batch).logits, atol=1e-4, rtol=0)


def test_sizes_where_a_family_has_no_biases_and_a_gate_beside_the_input():
    model = tiny_model("modernbert")
    sizes = model_sizes(model)
    assert (sizes.per_head, sizes.per_mlp) == (4 * 8 * 32, 3 * 32 * 48)
    left = sum(p.numel() for p in compact(model, *SOME).parameters())
    assert sizes.total - left == 8 * sizes.per_head + sizes.per_mlp


def test_attention_maps_of_rotated_queries_and_keys_are_refused():
    with pytest.raises(RuntimeError, match="attention is not softmax"):
        attention_maps(tiny_model("modernbert"), tiny_batch(padded=False))


@pytest.mark.parametrize("heads", ["cut", "gated"])
@pytest.mark.parametrize("mlps", ["cut", "gated"])
def test_plain_passes_answer_as_the_fast_ones(heads, mlps):
    model, data = tiny_model("bert"), examples()
    mask = StructuredMask(SOME[0].numpy(), SOME[1].numpy())
    found = []
    for way, kind in ((contextlib.nullcontext, CutPasses), (plain, GatedPasses)):
        with way(), open_passes(model, data, "fp32", heads, mlps) as passes:
            assert isinstance(passes, kind)
            one = passes.run(mask)
            found.append((one.logits, *passes.measure(one)))
    for fast, slow in zip(*found):
        np.testing.assert_allclose(slow, fast, atol=1e-4)
    assert all(p.requires_grad for p in model.parameters()) and not anatomy(model).mlp_out(0)._forward_hooks


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gets_passes_that_know_it(family):
    with open_passes(tiny_model(family), examples()) as passes:
        assert isinstance(passes, CutPasses if FAMILIES[family].norms else GatedPasses)
        found = passes.run(StructuredMask.full(LAYERS, HEADS))
        assert all(np.isfinite(part).all() for part in (found.logits, *passes.measure(found)))


# ---- the whole study


def make_model(folder: Path, family: str) -> Path:
    """A tiny random model of `family` with the tokenizer of the small world."""
    from transformers import AutoModel

    small_world.make_model(folder)
    config = tiny_config(family, layers=2)
    config.initializer_range = 0.1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModel.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("family", PLAIN_FAMILIES)
def test_a_study_of_the_family_and_its_export(family, tmp_path):
    from transformers import AutoModelForSequenceClassification

    model = make_model(tmp_path / "model", family)
    small_world.make_task(tmp_path / "data")
    settings = {**small_world.SETTINGS, "model": str(model), "data": str(tmp_path / "data"), "tasks": ["sst2"]}
    study = open_study("laptop", seeds=[1], overrides=settings, results_dir=tmp_path / "results")
    summary = study.run(subnetworks=["good", "bad"], engine="serial", progress=False)
    assert summary.ok, summary.failed
    table = study.table()
    full = table[table["stage"] == "finetune"]["score"].iloc[0]
    good = table[(table["stage"] == "score") & (table["subnetwork"] == "good")]
    assert full > 0.7 and (good["score"] >= 0.9 * full).all()
    structured = good[good["method"] == "structured"].iloc[0]
    assert structured["share_heads"] < 1 and structured["share_prunable"] < 1
    pairs = [f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in settings.items()]
    out = tmp_path / "out"
    options = ["--preset", "laptop", "--seeds", "1", "--results", str(tmp_path / "results"), "--set", *pairs]
    assert main(["export", "sst2/1/retrain/structured/good", str(out), *options]) == 0
    batch = types.SimpleNamespace(ids=torch.randint(5, 25, (3, 7), generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        loaded = AutoModelForSequenceClassification.from_pretrained(out).eval()
        torch.testing.assert_close(loaded(batch.ids).logits, load_compact(out)(batch.ids).logits, atol=1e-4, rtol=0)


# ---- the page


def test_the_page_names_every_family():
    page = (ROOT / "book" / "families.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in FAMILIES)


def test_the_entry_of_the_page_is_all_that_a_family_needs(monkeypatch):
    from transformers import RobertaPreLayerNormConfig, RobertaPreLayerNormForSequenceClassification

    page = (ROOT / "book" / "families.md").read_text(encoding="utf-8")
    monkeypatch.setattr(anatomy_module, "FAMILIES", dict(FAMILIES))
    exec(re.search(r"```python\n(from .*?)```", page, re.DOTALL)[1])  # noqa: S102
    sizes = dict(vocab_size=50, hidden_size=32, num_hidden_layers=LAYERS, num_attention_heads=HEADS)
    sizes |= dict(intermediate_size=48, max_position_embeddings=40, initializer_range=0.3, pad_token_id=0)
    config = RobertaPreLayerNormConfig(**sizes)
    model, batch = RobertaPreLayerNormForSequenceClassification(config).eval(), tiny_batch()
    with torch.no_grad():
        for masks in (SOME, NONE):
            want, small = gated(model, batch, *masks), compact(model, *masks)
            for form in (small, dense(small)):
                torch.testing.assert_close(form(**batch).logits, want, atol=1e-5, rtol=0)
