"""Files made to do harm: none is executed, none leads out of its folder, no text of theirs becomes part of a page."""

from __future__ import annotations

import io
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_world
from made_up_records import make_study, plain_record
from made_up_release import make_release
from safetensors.numpy import save_file

from lottery_book.authors.release import read_release
from lottery_utils.errors import UserError
from lottery_utils.experiment.cells import parse_cell
from lottery_utils.experiment.record import checksum
from lottery_utils.experiment.store import RECORD, Damaged, Store
from lottery_utils.experiment.study import open_study
from lottery_utils.models.load import load_classifier, load_tokenizer
from lottery_utils.models.source import model_fingerprint
from lottery_utils.tasks.glue import get_task

ROOT = Path(__file__).resolve().parents[1]


class Payload:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.fixture
def fired(tmp_path):
    """A path that exists once hostile code has run."""
    path = tmp_path / "fired"
    pickle.loads(pickle.dumps(Payload(path)))
    assert path.exists()  # the sample is a real one
    path.unlink()
    yield path
    assert not path.exists()


@pytest.fixture
def model(tmp_path):
    return small_world.make_model(tmp_path / "model")


def refused(call, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def use(folder: Path):
    model_fingerprint(str(folder))
    load_tokenizer(str(folder))
    return load_classifier(str(folder), 2)


def test_a_checkpoint_with_only_a_pickle_is_refused_with_advice(model, fired):
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(fired)))
    message = refused(use, model)
    assert "never loaded" in message and "convert them to model.safetensors" in message


def test_a_pickle_named_safetensors_is_not_unpickled(model, fired):
    (model / "model.safetensors").write_bytes(pickle.dumps(Payload(fired)))
    assert "cannot be read" in refused(load_classifier, str(model), 2)


@pytest.mark.parametrize("name", ("pytorch_model.bin", "../outside.safetensors", "/etc/passwd", "a/b.safetensors"))
def test_a_list_of_shards_that_leads_elsewhere_is_refused(model, fired, name):
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(fired)))
    os.rename(model / "model.safetensors", model / "part.safetensors")
    index = {"metadata": {}, "weight_map": {"bert.embeddings.word_embeddings.weight": name}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "names the weight file" in refused(use, model)


@pytest.mark.parametrize("file", ("config.json", "tokenizer_config.json"))
def test_code_that_comes_with_a_model_is_never_run(model, fired, file):
    code = f"from pathlib import Path\nPath({str(fired)!r}).touch()\n"
    (model / "evil.py").write_text(code)
    content = json.loads((model / file).read_text())
    names = {"AutoConfig": "C", "AutoModelForSequenceClassification": "M"}
    content |= {"auto_map": {**{key: f"evil.{name}" for key, name in names.items()}, "AutoTokenizer": ["evil.T", None]}}
    content |= {"model_type": "evil"} if file == "config.json" else {"tokenizer_class": "EvilTokenizer"}
    (model / file).write_text(json.dumps(content))
    if file == "config.json":
        assert "unknown model family 'evil'" in refused(use, model)
    else:  # the model's family is known, so its own tokenizer is taken
        assert use(model).config.model_type == "bert"


def test_nothing_in_the_code_reads_pickles_or_trusts_remote_code():
    for path in (*(ROOT / "lottery_utils").rglob("*.py"), *(ROOT / "notebooks").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for word in ("trust_remote_code", "import pickle", "torch.load(", "allow_pickle=True", "yaml.load(", "joblib"):
            assert word not in text, (path.name, word)
        assert "extractall" not in text and "read_pickle" not in text, path.name


@pytest.mark.parametrize("name", ("../../etc", "/etc/passwd", "rte/../..", "..", "rte\0", "~"))
def test_names_of_tasks_cells_and_models_are_no_paths(tmp_path, name):
    refused(get_task, name)
    refused(parse_cell, f"{name}/1/finetune/full")
    refused(Store(tmp_path / "results").folder, name)
    with pytest.raises(UserError):
        open_study("demo", tasks=[name])
    with pytest.raises(UserError):
        study = open_study("demo", ["rte"], [1], {"model": name}, tmp_path / "results")
        study.run(["finetune"], engine="serial", progress=False)
    assert not list(tmp_path.iterdir())


def test_an_error_is_one_line_whatever_it_names(tmp_path):
    study = open_study("demo", ["rte"], [1], {"data": "a\nb\x1b[31m"}, tmp_path)
    assert r"a b\x1b[31m does not exist" in refused(study.states)


def test_what_lies_in_a_store_cannot_point_out_of_it(tmp_path):
    """A record whose files lie elsewhere, under a checksum that fits, is damaged."""
    study = make_study(tmp_path / "results", ("mrpc",), (1,))
    key = study.address("mrpc/1/search/structured/good")
    path = study.store.folder(key) / RECORD
    record = json.loads(path.read_text())
    for name in ("../../secret", "/etc/passwd", "a/../../b", ".."):
        changed = {**record, "files": {name: "0" * 64}}
        path.write_text(json.dumps({**changed, "checksum": checksum(changed)}))
        with pytest.raises(Damaged, match="no file of a cell"):
            study.store.read(key)


def npy(array: np.ndarray, **how) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **how)
    return file.getvalue()


def test_a_release_with_pickles_pipes_and_false_headers_is_read_without_harm(tmp_path, fired):
    root = make_release(tmp_path / "release")
    masks = sorted((root / "masks").rglob("*_mask.npy"))
    array = np.empty(1, object)
    array[0] = Payload(fired)
    false = npy(np.zeros((2, 2)))
    false = false.replace(b"(2, 2)", b"(9999999999, 9)")[: len(false)]
    for path, content in ((masks[0], npy(array, allow_pickle=True)), (masks[1], false)):
        kept = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(UserError, match="is damaged"):
            read_release(root)
        path.write_bytes(kept)
    (root / "masks" / "run_args.bin").write_bytes(pickle.dumps(Payload(fired)))
    os.mkfifo(root / "masks" / "pipe.npy")
    read_release(root)


SCRIPT = "<script>alert(1)</script>"


def test_text_from_records_is_escaped_on_a_page(tmp_path, monkeypatch):
    """Notes, devices and names that hold HTML appear as text."""
    from lottery_book import sources
    from lottery_book.explorer import page as explorer
    from lottery_utils.show import tables

    study = make_study(tmp_path / "results", ("mrpc",), (1, 2))
    for key in study.store.addresses():
        path = study.store.folder(key) / RECORD
        text = path.read_text().replace('"made-up device"', json.dumps(SCRIPT))
        record = json.loads(text.replace('"made up"', json.dumps(SCRIPT)))
        record["notes"], record["commit"] = [SCRIPT], SCRIPT
        path.write_text(json.dumps({**record, "checksum": checksum(record)}))
    run = replace(sources.run_source(study), model=SCRIPT)
    pages = [explorer.explorer([run], "fig-made-up").data]
    frame = study.table()
    assert SCRIPT in set(frame["device"])
    pages.append(tables.dressed(frame[["task", "device"]], "caption", "name").to_html())
    for page in pages:
        assert SCRIPT not in page


def test_payload_that_is_no_safetensors_is_damage(tmp_path, fired):
    store = Store(tmp_path / "results")
    store.prepare()
    store.write("mrpc-x", plain_record(), {"mask.safetensors": lambda p: save_file({"a": np.zeros(2)}, p)})
    (store.folder("mrpc-x") / "mask.safetensors").write_bytes(pickle.dumps(Payload(fired)))
    with pytest.raises(Exception, match="checksum"):
        store.content("mrpc-x", "mask.safetensors")
