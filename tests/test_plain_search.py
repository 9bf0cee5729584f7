"""The structured search against the plain procedures it replaces, and the gates' gradients against autograd."""

import numpy as np
import pytest
import torch
from tiny import tiny_model
from toy import replaced, toy_data, trained

from lottery_utils.models.gates import Gates
from lottery_utils.pruning.importance import normalise_heads, open_passes
from lottery_utils.pruning.masks import StructuredMask
from lottery_utils.pruning.structured import PHASES, amounts, remove_lowest, structured_search
from lottery_utils.training.batches import collate
from lottery_utils.training.evaluate import batch_loss

CPU = torch.device("cpu")


def plain_gradients(model, data, mask, padded=20, size=64):
    """Each example's gradients, all weights with gradients, every batch padded alike, parts masked and not removed."""
    heads, mlps, logits = [], [], []
    with Gates(model) as gates:
        for rows in np.array_split(np.arange(len(data)), range(size, len(data), size)):
            batch = collate(data, rows, CPU)
            ids = torch.zeros(len(rows), padded, dtype=torch.long)
            ids[:, : batch.inputs["input_ids"].shape[1]] = batch.inputs["input_ids"]
            real = torch.arange(padded) < torch.from_numpy(data.lengths[rows])[:, None]
            xi = torch.from_numpy(mask.heads).float()[:, None].repeat(1, len(rows), 1).requires_grad_()
            nu = torch.from_numpy(mask.mlps).float()[:, None].repeat(1, len(rows)).requires_grad_()
            gates.set(xi, nu)
            out = model(input_ids=ids, attention_mask=real.long()).logits
            batch_loss(out, batch.labels, "sum").backward()
            heads.append(xi.grad.transpose(0, 1))
            mlps.append(nu.grad.transpose(0, 1))
            logits.append(out.detach())
    model.zero_grad()
    return [torch.cat(parts).double().numpy() for parts in (heads, mlps, logits)]


def plain_search(model, data, released):
    """The joint search as its protocol reads, on plain gradients; the masks of all steps."""
    layers, width = 4, 4

    def look(mask):
        heads, mlps, logits = plain_gradients(model, data, mask)
        if released:
            starts = range(0, len(data), 64)
            heads, mlps = (
                np.abs(np.cumsum([g[s : s + 64].mean(0) for s in starts], axis=0)).sum(0) for g in (heads, mlps)
            )
        else:
            heads, mlps = np.abs(heads).mean(0), np.abs(mlps).mean(0)
        return normalise_heads(heads), mlps, (logits.argmax(1) == data.labels).mean()

    good = StructuredMask.full(layers, width)
    scores = found = look(good)
    target, masks = 0.9 * scores[2], [good]
    for phase in PHASES["joint"]:
        taken = 0
        if not released:
            scores = found
        while good.size != (0, 0) and not (phase == 2 and good.size[0] == 0) and not (phase == 3 and good.size[1] == 0):
            taken += 1
            heads, mlps = amounts(phase, taken, layers, width, 0.1)
            following = StructuredMask(
                remove_lowest(good.heads, scores[0], heads), remove_lowest(good.mlps, scores[1], mlps)
            )
            if following == good:
                continue
            scores = look(following)
            masks.append(following)
            if scores[2] < target:
                break
            good, found = following, scores
    return good, masks


@pytest.mark.parametrize("protocol", ["exact", "released"])
def test_every_mask_of_the_search_equals_the_plain_procedures(protocol):
    model, dev, task, preset = trained(layers=4, heads=4)
    search = structured_search(model, dev, task, replaced(preset, importance=protocol), 0.5)
    good, masks = plain_search(model, dev, protocol == "released")
    course = [StructuredMask(h, m) for h, m in zip(search.trajectory["heads"], search.trajectory["mlps"])]
    assert len(masks) > 5 and course == masks and search.mask == good


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert"])
@pytest.mark.parametrize("share", [0, 0.6, 1])
@pytest.mark.parametrize("removed", ["cut", "gated"])
def test_gradients_of_gates_equal_autograds(family, share, removed, monkeypatch):
    model, data = tiny_model(family, layers=3, num_labels=2), toy_data(70, 0)
    masks = [StructuredMask.full(3, 4)]
    rng = np.random.default_rng(0)
    for layer in (2, 1, 0):  # each differs from the one before from this layer on
        heads, mlps = masks[-1].heads.copy(), masks[-1].mlps.copy()
        heads[layer, rng.integers(4)] = False
        mlps[2] = False
        masks.append(StructuredMask(heads, mlps))
    masks.append(StructuredMask(np.zeros((3, 4), bool), np.array([False, True, False])))
    monkeypatch.setattr("lottery_utils.fast.cut_passes.TOKENS", 256)
    with open_passes(model, data) as passes:
        size = sum(passes._bytes(batch) for batch, _, _ in passes.chunks)
    with open_passes(model, data, heads=removed, mlps=removed, keep=int(share * size)) as passes:
        assert (any(passes.keeps), all(passes.keeps)) == (share > 0, share == 1)
        base = None
        for mask in masks:
            base = passes.run(mask, base)
            expected = plain_gradients(model, data, mask)
            np.testing.assert_allclose(base.logits, expected[2], atol=1e-4)
            for part, plain, live in zip(passes.measure(base), expected, (mask.heads, mask.mlps)):
                assert np.isnan(part[:, ~live]).all() if removed == "cut" else np.isfinite(part).all()
                there = live if removed == "cut" else np.ones_like(live)
                np.testing.assert_allclose(part[:, there], plain[:, there], atol=1e-5 * np.abs(plain).max() + 1e-7)
    assert all(p.requires_grad for p in model.parameters())


def test_nothing_left_has_no_gradients():
    model, data = tiny_model(layers=2, num_labels=2), toy_data(9, 0)
    with open_passes(model, data) as passes:
        found = passes.run(~StructuredMask.full(2, 4))
        assert all(np.isnan(part).all() for part in passes.measure(found))
