"""What may not be read or made: one line with the path and the right cause, never "damaged", never a traceback."""

from __future__ import annotations

import builtins
import errno
import io
import itertools
import json
import os
from pathlib import Path

import pytest
import small_world
from safetensors import SafetensorError
from test_cli import options, refused

from lottery_utils.cli import main
from lottery_utils.disk import chain, problem_of
from lottery_utils.errors import UserError
from lottery_utils.models.load import load_classifier, load_tokenizer
from lottery_utils.models.source import model_fingerprint

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with a tiny model and a task."""
    root = tmp_path_factory.mktemp("disk")
    small_world.make_model(root / "model")
    small_world.make_task(root / "glue")
    return root


@pytest.fixture
def forbid(monkeypatch):
    """Forbid a path to this process, whoever runs it: reading it, listing it, making something in it."""

    def forbidden(path: Path):
        def closed(real, place_of):
            def call(file, *arguments, **keywords):
                if not isinstance(file, int) and place_of(Path(os.fsdecode(file))) == path:
                    raise PermissionError(errno.EACCES, "Permission denied", str(file))
                return real(file, *arguments, **keywords)

            return call

        for module, name in ((builtins, "open"), (io, "open"), (os, "listdir"), (os, "scandir")):
            monkeypatch.setattr(module, name, closed(getattr(module, name), lambda place: place))
        for name in ("mkdir", "stat"):
            monkeypatch.setattr(os, name, closed(getattr(os, name), lambda place: place.parent))

    return forbidden


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", ""])
def test_a_model_that_may_not_be_read_is_not_called_damaged(world, tmp_path, forbid, capsys, name):
    forbid(world / "model" / name)
    for use in (model_fingerprint, load_tokenizer, lambda model: load_classifier(model, 2)):
        with pytest.raises(UserError, match=r"cannot be read \(no permission\)") as caught:
            use(str(world / "model"))
        assert str(world / "model" / name) in str(caught.value)
    line = refused(["run", *options(world, tmp_path / "results"), "--quiet"], capsys)
    assert f"{world / 'model' / name} cannot be read (no permission)" in line and not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["glue", "glue/sst2", "glue/sst2/train-00000-of-00001.parquet"])
def test_data_that_may_not_be_read_are_not_called_damaged(world, tmp_path, forbid, capsys, name):
    forbid(world / name)
    line = refused(["run", *options(world, tmp_path / "results"), "--quiet"], capsys)
    assert f"{world / name} cannot be read (no permission)" in line
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["", "tasks.yaml", "train.csv"])
def test_an_own_task_that_may_not_be_read_is_one_line(world, tmp_path, forbid, capsys, name):
    for split in ("train", "dev"):
        (tmp_path / f"{split}.csv").write_text("text,mood\nfine,high\ndull,low\n")
    labels = "labels: [low, high]\ncolumns: text\nlabel: mood\n"
    (tmp_path / "tasks.yaml").write_text(f"name: moods\ntrain: train.csv\ndev: dev.csv\n{labels}")
    forbid(tmp_path / name)
    data = f"data={tmp_path / 'tasks.yaml'}"
    line = refused(["run", "--results", str(world / "results"), "--set", data, "--quiet"], capsys)
    assert str(tmp_path / name) in line and "no permission" in line and not (world / "results").exists()


def test_results_that_may_not_be_made_are_one_line(world, tmp_path, forbid, capsys):
    forbid(tmp_path)
    line = refused(["run", *options(world, tmp_path / "results"), "--quiet"], capsys)
    assert str(tmp_path / "results") in line and "ermission" in line


def test_any_disk_error_of_a_command_is_one_line_and_any_other_error_is_not_hidden(
    world, tmp_path, monkeypatch, capsys
):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere/x")

    monkeypatch.setattr("lottery_utils.experiment.study.open_study", full)
    line = refused(["status"], capsys)
    assert "somewhere/x: no space is left" in line and line.endswith("; correct that, then start again\n")
    monkeypatch.setattr("lottery_utils.experiment.study.open_study", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["status"])


def test_the_cause_is_found_whichever_library_tells_it():
    assert problem_of(PermissionError(13, "Permission denied", "a/b")) == "a/b: no permission"
    assert "no space is left" in problem_of(SafetensorError("I/O error: No space left on device (os error 28)"))
    try:
        try:
            raise OSError(errno.EIO, "Input/output error")
        except OSError as error:
            raise RuntimeError("cannot write the model") from error
    except RuntimeError as error:
        assert "input/output error" in problem_of(error)
    assert problem_of(FileNotFoundError(2, "No such file")) is None and problem_of(ValueError("x")) is None


def test_errors_that_are_each_other_s_cause_end():
    first, second = ValueError("x"), KeyError("y")
    first.__cause__, second.__context__ = second, first
    assert list(itertools.islice(chain(first), 5)) == [first, second]


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "model.safetensors.index.json"])
def test_a_pointer_of_git_lfs_is_called_that(tmp_path, name):
    folder = small_world.make_model(tmp_path / "model")
    if name.endswith(".index.json"):
        (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / name).write_text(POINTER)
    with pytest.raises(
        UserError, match=f"{name} is a Git LFS pointer, not the file itself; fetch it with 'git lfs pull'"
    ):
        load_classifier(str(folder), 2)


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin.index.json", "tf_model.h5.index.json", "model.safetensors.index.json"]
)
def test_a_list_of_weight_files_beside_whole_weights_is_not_read(tmp_path, name):
    folder = small_world.make_model(tmp_path / "model")
    before = model_fingerprint(str(folder))
    weights = {"weight_map": {"bert.embeddings.word_embeddings.weight": "pytorch_model-00001-of-00002.bin"}}
    (folder / name).write_text(json.dumps(weights))
    assert load_classifier(str(folder), 2) is not None and model_fingerprint(str(folder)) == before


def test_configurations_that_cannot_be_used_are_named(tmp_path):
    folder = small_world.make_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    for change, said in (
        ({"pruned_heads": {"0": [1]}}, "transformers 4 pruned heads of it"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, "quantized weights cannot"),
        ({"model_type": "gpt2"}, "model families says how to add one"),
        ({"pad_token_id": 99999}, "pad_token_id must be below vocab_size"),
    ):
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(UserError, match=said) as caught:
            load_classifier(str(folder), 2)
        assert str(folder) in str(caught.value)
    (folder / "config.json").write_text(json.dumps(config | {"pruned_heads": {}}))  # as transformers 4 wrote it always
    load_classifier(str(folder), 2)
