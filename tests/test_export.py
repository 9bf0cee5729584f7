"""Exported subnetworks: every form computes the same, and what is written is what was stored."""

from __future__ import annotations

import errno
import json
import os
import shutil

import numpy as np
import pytest
import small_world
import torch
from safetensors import SafetensorError
from tiny import FAMILIES, tiny_batch, tiny_model

from lottery_utils import disk, load_compact, open_study
from lottery_utils.cli import main
from lottery_utils.errors import UserError
from lottery_utils.experiment.cells import parse_cell
from lottery_utils.export.folder import export_cell
from lottery_utils.models.compact import compact, dense
from lottery_utils.models.load import load_classifier
from lottery_utils.pruning.masks import load_mask

CELLS = (
    "sst2/1/finetune/full",
    "sst2/1/score/structured/bad",
    "sst2/1/retrain/structured/good",
    "sst2/1/retrain/magnitude/good",
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small study, computed: full model, both methods, good and bad."""
    root = tmp_path_factory.mktemp("export")
    overrides = {
        "model": str(small_world.make_model(root / "model")),
        "data": str(small_world.make_task(root / "glue").parent),
        **small_world.SETTINGS,
    }
    study = open_study("laptop", ["sst2"], [1], overrides, root / "results")
    study.run(subnetworks=["good", "bad"], engine="serial", progress=False)
    return study


def predicted(model, folder, study) -> np.ndarray:
    """Predictions of a loaded model on the dev set, one example at a time: no padding, nothing of our batching."""
    from transformers import AutoTokenizer

    from lottery_utils.tasks.load import load_task

    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = load_task("sst2", study.preset.data).dev.texts
    with torch.no_grad():
        return np.array([int(model(**tokenizer(*t, return_tensors="pt")).logits.argmax()) for t in texts])


@pytest.mark.parametrize("name", CELLS)
def test_plain_transformers_loads_it_and_predicts_as_recorded(study, name, tmp_path):
    from transformers import AutoModelForSequenceClassification

    rebuilt = export_cell(study, parse_cell(name), tmp_path / "out")
    assert rebuilt.same == rebuilt.examples  # the stage run again gives what is stored
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    assert (predicted(model, tmp_path / "out", study) == study.predictions(name)["predictions"]).all()
    assert model.config.id2label == {0: "negative", 1: "positive"}
    if "structured" in name:
        small = load_compact(tmp_path / "out")
        assert (predicted(small, tmp_path / "out", study) == study.predictions(name)["predictions"]).all()
        left = sum(p.numel() for p in small.parameters())
        assert left == study.record(name)["counts"]["parameters"] < sum(p.numel() for p in model.parameters())


def test_the_mask_is_the_stored_one_and_pruned_weights_are_zero(study, tmp_path):
    name = "sst2/1/retrain/magnitude/good"
    export_cell(study, parse_cell(name), tmp_path / "out")
    mask = load_mask(tmp_path / "out" / "mask.safetensors")
    assert mask == study.mask(name)
    from safetensors.torch import load_file

    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert all(not weights[key][~kept].any() for key, kept in mask.weights.items())
    assert any((~kept).any() for kept in mask.weights.values())


def test_the_card_tells_scores_sizes_and_origin_without_a_path_of_this_machine(study, tmp_path):
    name = "sst2/1/retrain/structured/good"
    export_cell(study, parse_cell(name), tmp_path / "out")
    card, record = (tmp_path / "out" / "README.md").read_text(encoding="utf-8"), study.record(name)
    assert card.startswith("---\n") and record["address"] in card and f"{record['metrics']['accuracy']:.4f}" in card
    assert f"{record['counts']['heads']} of {record['counts']['heads_total']}" in card and "load_compact" in card
    for file in (tmp_path / "out").rglob("*.*"):
        if file.suffix in (".md", ".json"):
            assert str(study.store.root.parent) not in file.read_text(encoding="utf-8"), file.name
    about = json.loads((tmp_path / "out" / "lottery.json").read_text(encoding="utf-8"))
    assert about["record"]["address"] == record["address"]


def test_the_card_says_every_setting_on_the_way_to_the_weights(study, tmp_path):
    export_cell(study, parse_cell("sst2/1/score/structured/good"), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    settings = next(line for line in card.splitlines() if line.startswith("| settings"))
    assert "learning_rate=0.005" in settings and "epochs=6" in settings and "the paper's" not in settings


def test_the_folder_alone_cuts_texts_where_training_did(study, tmp_path):
    from transformers import AutoTokenizer

    export_cell(study, parse_cell("sst2/1/finetune/full"), tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert len(tokenizer("fine " * 30, truncation=True)["input_ids"]) == study.preset.max_length == 16


def test_the_tokenizer_has_a_class_that_both_major_versions_of_transformers_know(tmp_path):
    from transformers import AutoTokenizer

    from lottery_utils.export.folder import _save_tokenizer
    from lottery_utils.models.load import load_tokenizer
    from lottery_utils.presets import PRESETS

    tokenizer = load_tokenizer("embedded")
    _save_tokenizer(PRESETS["demo"], tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast" and "local_files_only" not in settings
    again = AutoTokenizer.from_pretrained(tmp_path)
    pair = ("the book was very good", "the day")
    assert again(*pair) == tokenizer(*pair) and again.model_max_length == PRESETS["demo"].max_length
    assert set(again(*pair)) == {"input_ids", "token_type_ids", "attention_mask"}


def test_a_checkpoint_of_a_decoder_is_computed_as_an_encoder_here_and_in_plain_transformers(tmp_path):
    """Causal attention would hide from each token those that follow; plain transformers obeys the field."""
    from transformers import AutoModelForSequenceClassification

    model = small_world.make_model(tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    strange = {"is_decoder": True, "output_attentions": True, "return_dict": False, "pad_token_id": None}
    (model / "config.json").write_text(json.dumps(config | strange))
    data = small_world.make_task(tmp_path / "glue").parent
    overrides = {"model": str(model), "data": str(data), **small_world.SETTINGS}
    study = open_study("laptop", ["sst2"], [1], overrides, tmp_path / "results")
    study.run(["finetune"], engine="serial", progress=False)
    export_cell(study, parse_cell("sst2/1/finetune/full"), tmp_path / "out")
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    recorded = study.predictions("sst2/1/finetune/full")["predictions"]
    assert not loaded.config.is_decoder and (predicted(loaded, tmp_path / "out", study) == recorded).all()


def test_a_tokenizer_that_names_no_mask_of_padding_has_one_in_the_folder(study, tmp_path):
    """Without, plain transformers attends to padding."""
    from transformers import AutoTokenizer

    model = tmp_path / "model"
    shutil.copytree(study.preset.model, model)
    settings = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps(settings | {"model_input_names": ["input_ids"]}))
    overrides = {"model": str(model), "data": study.preset.data, **small_world.SETTINGS}
    other = open_study("laptop", ["sst2"], [1], overrides, tmp_path / "results")
    other.run(["finetune"], engine="serial", progress=False)
    export_cell(other, parse_cell("sst2/1/finetune/full"), tmp_path / "out")
    padded = AutoTokenizer.from_pretrained(tmp_path / "out")(["fine", "fine film"], padding=True)
    assert padded["attention_mask"] == [[1, 1, 1, 0], [1, 1, 1, 1]] and "token_type_ids" not in padded


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_small_logits_are_compared_by_their_size(study, tmp_path, scale):
    from lottery_utils.export.folder import _require_as_recorded
    from lottery_utils.export.rebuild import Rebuilt

    recorded = scale * np.array([[0.5, -0.5], [-1.0, 1.0]], np.float32)
    cell = parse_cell("sst2/1/finetune/full")
    rebuilt = Rebuilt(cell, None, {"precision": "fp32"}, 2, 2, 0.0, None, recorded)
    _require_as_recorded(rebuilt, recorded * (1 + 1e-4))
    with pytest.raises(UserError, match="differ from the recorded ones"):
        _require_as_recorded(rebuilt, recorded[:, ::-1])


@pytest.mark.parametrize("selection", ["dev", "half"])
def test_the_card_says_whether_the_scored_examples_chose_the_subnetwork(study, tmp_path, selection):
    overrides = {"model": study.preset.model, "data": study.preset.data, **small_world.SETTINGS, "selection": selection}
    other = open_study("laptop", ["sst2"], [1], overrides, study.store.root)
    other.run(["score"], ["structured"], ["good"], engine="serial", progress=False)
    export_cell(other, parse_cell("sst2/1/score/structured/good"), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert ("The dev set also chose the subnetwork" in card) == (selection == "dev")


def test_a_folder_that_predicts_otherwise_than_recorded_is_not_written(study, tmp_path, monkeypatch):
    def other(part):
        model = AutoModelForSequenceClassification.from_pretrained(part).eval()
        with torch.no_grad():
            model.classifier.bias.add_(torch.tensor([0.0, 3.0]))
        return model

    from transformers import AutoModelForSequenceClassification

    monkeypatch.setattr("lottery_utils.export.folder._dense_again", other)
    monkeypatch.setattr("lottery_utils.export.folder.CLOSE", 10.0)
    with pytest.raises(UserError, match="loaded by plain transformers the model's logits differ from the recorded"):
        export_cell(study, parse_cell("sst2/1/finetune/full"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_tokenizer_saved_otherwise_than_it_read_is_noticed(study, tmp_path, monkeypatch):
    from lottery_utils.export import folder

    saved = folder._save_tokenizer

    def other(preset, part):
        saved(preset, part)
        tokenizer = json.loads((part / "tokenizer.json").read_text())
        vocabulary = tokenizer["model"]["vocab"]
        tokenizer["model"]["vocab"] = {word: number for word, number in vocabulary.items() if word.startswith("[")}
        (part / "tokenizer.json").write_text(json.dumps(tokenizer))

    monkeypatch.setattr(folder, "_save_tokenizer", other)
    with pytest.raises(UserError, match="loaded by plain transformers the model's logits differ from the recorded"):
        export_cell(study, parse_cell("sst2/1/finetune/full"), tmp_path / "out")


def test_a_checkpoints_own_classifier_is_left_out_unless_asked_for(study, tmp_path):
    from lottery_utils.experiment import loaded

    export_cell(study, parse_cell("sst2/1/finetune/full"), tmp_path / "tuned")
    weights = {}
    for keep in (False, True):
        overrides = {"model": str(tmp_path / "tuned"), "data": study.preset.data, **small_world.SETTINGS}
        other = open_study("laptop", ["sst2"], [1, 2], {**overrides, "keep_classifier": keep}, tmp_path / f"r{keep}")
        first, second = (loaded.classifier(other.preset, "sst2", seed) for seed in (1, 2))
        weights[keep] = first.classifier.weight
        assert torch.equal(first.classifier.weight, second.classifier.weight) == keep
        assert torch.equal(first.bert.pooler.dense.weight, second.bert.pooler.dense.weight)
        other.run(["finetune"], engine="serial", progress=False)
        how = "kept, its classes in this order: negative, positive" if keep else "left out, and a new one drawn"
        assert other.record("sst2/1/finetune/full")["notes"] == [f"the checkpoint's own classifier was {how}"]
        loaded.forget()
    assert not torch.equal(weights[False], weights[True])
    assert load_classifier(str(tmp_path / "tuned"), 3).checkpoint_note.endswith("left out, and a new one drawn")
    for model, labels in ((tmp_path / "tuned", 3), (study.preset.model, 2)):
        with pytest.raises(UserError, match=rf"has none for so many labels \({labels}\); leave keep_classifier out"):
            load_classifier(str(model), labels, keep_classifier=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_dense_again_equals_compact(family):
    model, rng = tiny_model(family), np.random.default_rng(3)
    layers, heads = model.config.num_hidden_layers, model.config.num_attention_heads
    batch = tiny_batch()
    for kept_heads, kept_mlps in (
        (rng.random((layers, heads)) < 0.5, rng.random(layers) < 0.5),
        (np.zeros((layers, heads), bool), np.zeros(layers, bool)),
        (np.ones((layers, heads), bool), np.arange(layers) > 0),
    ):
        small = compact(model, kept_heads, kept_mlps).eval()
        with torch.no_grad():
            torch.testing.assert_close(dense(small)(**batch).logits, small(**batch).logits, atol=1e-5, rtol=0)
    whole = compact(model, np.ones((layers, heads), bool), np.ones(layers, bool))
    assert dense(whole) is whole


@pytest.mark.parametrize("mask", (0o077, 0o002))
def test_files_and_folders_are_made_as_the_umask_says(study, tmp_path, mask):
    before = os.umask(mask)
    disk.usual_mode.cache_clear()
    try:
        export_cell(study, parse_cell("sst2/1/score/structured/bad"), tmp_path / "out")
    finally:
        os.umask(before)
        disk.usual_mode.cache_clear()
    for path in (tmp_path / "out", *(tmp_path / "out").rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~mask, path.name


def test_nothing_is_overwritten_and_a_failure_leaves_nothing(study, tmp_path, monkeypatch):
    cell = parse_cell("sst2/1/score/structured/bad")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        export_cell(study, cell, tmp_path / "full")
    monkeypatch.setattr("lottery_utils.export.folder.latencies", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_cell(study, cell, tmp_path / "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full"]


@pytest.mark.parametrize(
    "error",
    [SafetensorError("I/O error: No space left on device (os error 28)"), OSError(errno.ENOSPC, "No space left")],
)
def test_a_full_disk_is_one_line_with_the_folder_and_leaves_nothing(study, tmp_path, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr("lottery_utils.export.folder._save_tokenizer", full)
    with pytest.raises(UserError, match=r"out cannot be written \(no space is left there, free some\)"):
        export_cell(study, parse_cell("sst2/1/finetune/full"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_place_that_takes_no_folder_is_a_user_error(study, tmp_path):
    (tmp_path / "file").write_text("x")
    for place, said in [("x" * 300, "no path"), ("a\0b", "no path"), ("file/x", "cannot be made")]:
        with pytest.raises(UserError, match=said):
            export_cell(study, study.cells(["finetune"])[0], tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sst2/0/baseline/majority", "no model to export"),
        ("sst2/1/retrain/structured/random", "is not stored"),
        ("sst2/1/retrain", "not the name of a cell"),
    ],
)
def test_what_cannot_be_exported_is_one_line(study, name, said, tmp_path, capsys):
    preset = study.preset
    pairs = [f"model={preset.model}", f"data={preset.data}", *(f"{k}={v}" for k, v in small_world.SETTINGS.items())]
    options = ["--preset", "laptop", "--tasks", "sst2", "--seeds", "1", "--results", str(study.store.root)]
    assert main(["export", name, str(tmp_path / "x"), *options, "--set", *pairs]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not (tmp_path / "x").exists()


def test_onnx_equals_the_model_on_other_batches(study, tmp_path):
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    from transformers import AutoTokenizer

    from lottery_utils.export.onnx import run_onnx

    rebuilt = export_cell(study, parse_cell("sst2/1/retrain/structured/good"), tmp_path / "out", onnx=True)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    for texts in (["the film was fine"], ["a day", "the very quite dull song of the house is", "warm"]):
        inputs = dict(tokenizer(texts, padding=True, return_tensors="pt"))
        with torch.no_grad():
            want = rebuilt.model(**inputs).logits.numpy()
        np.testing.assert_allclose(run_onnx(tmp_path / "out" / "model.onnx", inputs), want, atol=1e-4)


def test_onnx_without_its_packages_says_how_to_install(study, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'lottery-utils\[onnx\]'"):
        export_cell(study, parse_cell("sst2/1/retrain/structured/good"), tmp_path / "out", onnx=True)
