"""The lean forward pass computes what transformers computes, gradients and training included."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from tiny import tiny_model
from toy import toy_data, toy_preset

from lottery_utils.fast import cuda_graphs, packed, packed_layer
from lottery_utils.fast import training as fast_training
from lottery_utils.fast.packed import pack, packed_batches
from lottery_utils.fast.packed_model import PackedModel, is_known
from lottery_utils.models.anatomy import anatomy
from lottery_utils.models.compact import compact
from lottery_utils.pruning.masks import Levels
from lottery_utils.training.batches import collate, train_batches
from lottery_utils.training.device import derived_seed
from lottery_utils.training.evaluate import batch_loss, predict
from lottery_utils.training.finetune import finetune, learning_rate_share, planned_epochs

CPU = torch.device("cpu")
PACKED = ("bert", "roberta", "electra", "distilbert", "mpnet")


def some_model(family, cut, **sizes):
    """A tiny model with 2 classes, whole or without one layer's heads, another's MLP and a few single heads."""
    model = tiny_model(family, num_labels=2, **sizes)
    if not cut:
        return model
    heads, mlps = torch.ones(3, 4, dtype=torch.bool), torch.tensor([True, False, True])
    heads[0] = False
    heads[1, 2] = heads[2, 0] = False
    return compact(model, heads, mlps)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("family", PACKED)
def test_logits_and_gradients_are_transformers(family, cut):
    model, data = some_model(family, cut), toy_data(23, 0)
    assert is_known(model)
    parameters = [p for p in model.parameters() if p.numel()]
    rows = np.random.default_rng(0).permutation(len(data))
    plain = collate(data, rows, CPU)
    logits = model(**plain.inputs).logits
    expected = torch.autograd.grad(batch_loss(logits, plain.labels), parameters, materialize_grads=True)
    for pad in (False, True):  # True: the layout of a GPU
        batch, order = pack(data, rows, CPU, pad=pad)
        assert sorted(order) == sorted(rows) and (batch.mask is not None) == pad
        found = PackedModel(model)(batch)
        torch.testing.assert_close(found, logits[[list(rows).index(r) for r in order]], atol=1e-5, rtol=1e-4)
        loss = batch_loss(found, torch.from_numpy(data.labels[order]))
        grads = torch.autograd.grad(loss, parameters, materialize_grads=True)
        for one, other in zip(grads, expected):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-3)


def gradients(model, data, pad):
    """Logits in the data's order, and the gradients of all parameters."""
    batch, order = pack(data, np.arange(len(data)), CPU, pad=pad)
    logits = PackedModel(model)(batch)
    loss = batch_loss(logits, torch.from_numpy(data.labels[order]))
    grads = torch.autograd.grad(loss, [p for p in model.parameters() if p.numel()], materialize_grads=True)
    return logits.detach()[np.argsort(order)], grads


@pytest.mark.parametrize("cut", [False, True])
def test_scores_with_a_bias_have_all_gradients_on_the_path_of_a_gpu_too(cut, monkeypatch):
    """MPNet's position bias: torch's operations one by one, padded or not, against the gradients written out."""
    model, data = some_model("mpnet", cut), toy_data(23, 0)
    place = [n for n, p in model.named_parameters() if p.numel()].index("mpnet.encoder.relative_attention_bias.weight")
    logits, grads = gradients(model, data, False)
    monkeypatch.setattr(packed, "is_computed", lambda *_: False)
    monkeypatch.setattr(packed_layer, "is_written_out", lambda *_: False)
    for pad in (False, True):
        other_logits, other_grads = gradients(model, data, pad)
        torch.testing.assert_close(other_logits, logits, atol=1e-5, rtol=1e-4)
        for one, other in zip(other_grads, grads, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-3)
        assert other_grads[place].abs().max() > 1e-4
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half_logits, half_grads = gradients(model, data, pad)
        pairs = (half_logits.float(), logits), (half_grads[place], grads[place]), map(flat, (half_grads, grads))
        for one, other in pairs:
            assert (one - other).norm() < 0.05 * other.norm()


def flat(tensors):
    return torch.cat([x.reshape(-1) for x in tensors])


def test_types_reach_the_embeddings():
    data = toy_data(9, 0)
    types = np.random.default_rng(0).integers(0, 2, len(data.ids)).astype(np.int32)
    data = type(data)(data.ids, types, data.starts, data.labels, data.pad)
    model, rows = some_model("bert", False), np.arange(9)
    batch, order = pack(data, rows, CPU)
    with torch.no_grad():
        plain = model(**collate(data, order, CPU).inputs).logits
        torch.testing.assert_close(PackedModel(model)(batch), plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_padding_token_in_the_text_counts_as_transformers_counts_it(family):
    model, data = some_model(family, False), toy_data(20, 0)
    ids = data.ids.copy()
    ids[data.starts[:-1:2] + 2] = data.pad  # the third token of every other example
    data = dataclasses.replace(data, ids=ids)
    assert is_known(model, data) == (family == "bert")
    rows = [torch.from_numpy(ids[a:b].astype(np.int64))[None] for a, b in zip(data.starts, data.starts[1:])]
    with torch.no_grad():
        one_by_one = torch.cat([model(input_ids=row).logits for row in rows])
    np.testing.assert_allclose(predict(model, data), one_by_one.numpy(), atol=1e-5)


def test_packed_batches_hold_every_row_once_and_few_tokens():
    data = toy_data(200, 0)
    batches = list(packed_batches(data, 64))
    assert sorted(np.concatenate(batches)) == list(range(200))
    assert all(data.lengths[rows].sum() <= 64 for rows in batches) and len(batches) <= 1.25 * data.lengths.sum() / 64
    assert [len(rows) for rows in packed_batches(data, 1)] == [1] * 200


def test_attention_dropout_has_the_right_mean_and_gradient():
    """With dropout on attention only, logits differ from call to call, and gradients pass a finite difference."""
    from lottery_utils.fast.packed import Group, attend

    groups = (Group(0, 0, 2, 3), Group(6, 2, 1, 2))
    qkv = torch.randn(8, 3 * 2 * 4, generator=torch.Generator().manual_seed(0))
    mean = torch.zeros(8, 8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(3000):
            mean += attend((qkv,), groups, 2, drop=0.3) / 3000
        torch.testing.assert_close(mean, attend((qkv,), groups, 2), atol=0.05, rtol=0)
        weight = torch.randn(8, 8)

        def value(x):
            torch.manual_seed(5)
            return (attend((x,), groups, 2, drop=0.3) * weight).sum()

        x = qkv.clone().requires_grad_()
        grad = torch.autograd.grad(value(x), x)[0]
        step = torch.zeros_like(qkv)
        for place in ((0, 1), (3, 9), (7, 20)):
            step.zero_()[place] = 1e-2
            slope = (value(qkv + step) - value(qkv - step)) / 2e-2
            assert slope.item() == pytest.approx(grad[place].item(), abs=2e-3)


@pytest.mark.parametrize("first", [False, True])
def test_attention_dropout_in_half_precision_is_that_of_float32(first):
    """The draws do not depend on the type: values and gradients differ by rounding, in short and long examples."""
    from lottery_utils.fast.packed import Group, attend

    groups, generator = (Group(0, 0, 3, 5), Group(15, 3, 2, 20)), torch.Generator().manual_seed(0)
    parts = [torch.randn(5, 24, generator=generator), torch.randn(55, 48, generator=generator)]
    parts = parts if first else [torch.randn(55, 72, generator=generator)]
    weight = torch.randn(5 if first else 55, 24, generator=generator)

    def found(kind, seed=2):
        torch.manual_seed(seed)
        xs = [x.to(kind).requires_grad_() for x in parts]
        out = attend(xs, groups, 3, 0.3)
        grads = torch.autograd.grad((out.float() * weight).sum(), xs)
        assert {x.dtype for x in (out, *grads)} == {kind}
        return [x.detach().float() for x in (out, *grads)]

    with torch.random.fork_rng(devices=[]):
        ours = found(torch.float32), found(torch.bfloat16), found(torch.bfloat16, seed=3)
        for exact, half, other in zip(*ours, strict=True):
            assert 0 < (half - exact).norm() < 0.01 * exact.norm() < (other - exact).norm()


def test_models_with_hooks_or_of_another_kind_are_called_as_they_are():
    model = tiny_model()
    handle = model.register_forward_pre_hook(lambda module, args: None)
    assert not is_known(model)
    handle.remove()
    assert is_known(model) and not is_known(model.base_model) and not is_known(torch.nn.Linear(2, 2))


def plainly(model, train, preset, key, mask=None):
    """The recipe of fine-tuning written with transformers' forward pass and torch's own tools."""
    parameters = dict(model.named_parameters())
    for name, kept in (mask or {}).items():
        parameters[name].data *= kept
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=preset.learning_rate, eps=preset.adam_eps, weight_decay=preset.weight_decay
    )
    epochs = planned_epochs(len(train), preset)
    generator = torch.Generator().manual_seed(derived_seed("order", *key))
    batches = [rows for _ in range(epochs) for rows in train_batches(train, preset.batch_size, generator)]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_share(step, len(batches), preset.warmup)
    )
    losses = []
    model.train()
    for rows in batches:
        batch = collate(train, rows, CPU)
        loss = batch_loss(model(**batch.inputs).logits, batch.labels)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        for name, kept in (mask or {}).items():
            parameters[name].grad *= kept
        torch.nn.utils.clip_grad_norm_(model.parameters(), preset.clip)
        optimiser.step()
        schedule.step()
    model.eval()
    return losses


@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("masked", [False, True])
def test_finetuning_equals_the_plain_recipe(decay, masked):
    data, preset = toy_data(64, 0), toy_preset(epochs=2, weight_decay=decay, learning_rate=1e-3)
    mine, theirs = tiny_model(num_labels=2), tiny_model(num_labels=2)
    parameters = anatomy(mine).prunable_parameters()
    half = sum(p.numel() for p in parameters.values()) // 2
    mask = Levels(parameters, [half]).mask(0).weights if masked else None
    log = finetune(mine, data, preset, ("mrpc", 1), mask)
    losses = plainly(theirs, data, preset, ("mrpc", 1), mask)
    np.testing.assert_allclose(log.losses, losses, rtol=1e-3)
    for (name, one), other in zip(mine.named_parameters(), theirs.parameters()):
        if name.endswith("key.bias"):
            continue  # adds the same to all scores of a query: its gradient is rounding noise, which Adam blows up
        torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")
    np.testing.assert_allclose(predict(mine, data), predict(theirs, data), atol=2e-3)


def test_a_model_with_frozen_weights_learns_as_the_plain_recipe_says():
    """DistilBERT's sinusoidal positions are such weights."""
    data, preset = toy_data(48, 0), toy_preset(epochs=1, learning_rate=1e-3)
    mine, theirs = (tiny_model("distilbert", num_labels=2) for _ in range(2))
    for model in (mine, theirs):
        model.base_model.embeddings.position_embeddings.weight.requires_grad_(False)
    before = mine.base_model.embeddings.position_embeddings.weight.clone()
    log = finetune(mine, data, preset, ("mrpc", 1))
    np.testing.assert_allclose(log.losses, plainly(theirs, data, preset, ("mrpc", 1)), rtol=1e-4)
    assert torch.equal(mine.base_model.embeddings.position_embeddings.weight, before)
    np.testing.assert_allclose(predict(mine, data), predict(theirs, data), atol=2e-3)


def test_words_no_example_uses_stay_and_the_others_learn():
    data, preset = toy_data(64, 0), toy_preset(epochs=1)
    data = type(data)(np.minimum(data.ids, 20), data.types, data.starts, data.labels, data.pad)
    model = tiny_model(num_labels=2)
    before = copy.deepcopy(model.base_model.embeddings.word_embeddings.weight.detach())
    assert len(np.unique(data.ids)) < fast_training.WORTH_IT * len(before)
    finetune(model, data, preset, ("mrpc", 1))
    after = model.base_model.embeddings.word_embeddings.weight
    changed = (after != before).any(1).nonzero().flatten().tolist()
    assert changed == np.unique(data.ids).tolist()


def test_parameters_own_their_memory_after_training():
    model = tiny_model(num_labels=2)
    finetune(model, toy_data(32, 0), toy_preset(epochs=1), ("mrpc", 1))
    storages = [p.untyped_storage().data_ptr() for p in model.parameters()]
    assert len(set(storages)) == len(storages)
    assert all(p.untyped_storage().nbytes() == p.numel() * 4 for p in model.parameters())


def alike(models, others):
    """Assert that trained models have the same weights up to rounding."""
    for one, other in zip(models, others):
        for (name, p), q in zip(one.named_parameters(), other.parameters()):
            if not name.endswith(("key.bias", "k_lin.bias", "attn.k.bias")):  # rounding noise, see above
                torch.testing.assert_close(p, q, atol=2e-4, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("family", PACKED)
def test_steps_of_fixed_shape_train_as_those_on_packed_examples(family, monkeypatch):
    """What a GPU replays as graphs, here as written: data on the device, padded lengths, a last batch not full."""
    data, preset = toy_data(70, 0), toy_preset(epochs=2, learning_rate=1e-3)
    data = type(data)(np.minimum(data.ids, 20), data.types, data.starts, data.labels, data.pad)  # few words are used
    models, mask = [some_model(family, cut=True) for _ in range(2)], None
    if family == "bert":
        parameters = anatomy(models[0]).prunable_parameters()
        mask = Levels(parameters, [sum(p.numel() for p in parameters.values()) // 3]).mask(0).weights
    logs = [finetune(models[0], data, preset, ("mrpc", 1), mask)]
    monkeypatch.setattr("lottery_utils.fast.cuda_graphs.REPLAYS", {"cpu"})
    logs.append(finetune(models[1], data, preset, ("mrpc", 1), mask, cuda_graphs=True))
    assert logs[1].notes == ["trained by CUDA graphs"] and not logs[0].notes
    assert logs[0].steps == logs[1].steps == 10 and logs[0].losses != logs[1].losses  # another path, other rounding
    np.testing.assert_allclose(logs[0].losses, logs[1].losses, rtol=1e-4)
    alike(models[:1], models[1:])


@pytest.mark.parametrize("fault", ("no GPU", "in a step", "not known"))
def test_where_graphs_fail_the_plain_loop_trains_from_the_start_and_a_line_says_so(fault, monkeypatch, capsys):
    cuda_graphs._say_once.cache_clear()
    data, preset = toy_data(70, 0), toy_preset(epochs=2, learning_rate=1e-3)
    models = [some_model("bert", cut=True) for _ in range(3)]
    plain = finetune(models[0], data, preset, ("mrpc", 1))
    monkeypatch.setattr(cuda_graphs, "REPLAYS", set() if fault == "no GPU" else {"cpu"})
    step = cuda_graphs.Steps.run

    def run(self, number):
        step(self, number)
        if number == 6:
            raise RuntimeError("a graph\nbroke")

    if fault == "in a step":
        monkeypatch.setattr(cuda_graphs.Steps, "run", run)
        monkeypatch.setattr(cuda_graphs, "CHECK_EVERY", 2)
    if fault == "not known":
        monkeypatch.setattr(cuda_graphs, "steps_of", lambda model, data: None)
    for model in models[1:]:
        log = finetune(model, data, preset, ("mrpc", 1), cuda_graphs=True)
        assert log.losses == plain.losses and len(log.notes) == 1 and "trained by the plain loop" in log.notes[0]
        assert all(torch.equal(p, q) for p, q in zip(models[0].parameters(), model.parameters()))
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("CUDA graphs: RuntimeError: ")
