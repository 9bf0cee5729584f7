"""The nine tasks load from every source with the same content, and say how they differ from the official data."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import glue_files as files
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lottery_utils import presets
from lottery_utils.errors import UserError
from lottery_utils.presets import Limits
from lottery_utils.tasks.glue import TASKS, get_task
from lottery_utils.tasks.load import Split, fingerprint, load_task

# restated from the dataset card of nyu-mll/glue
OFFICIAL = {
    "cola": (8551, 1043),
    "sst2": (67349, 872),
    "mrpc": (3668, 408),
    "stsb": (5749, 1500),
    "qqp": (363846, 40430),
    "mnli": (392702, 9815),
    "qnli": (104743, 5463),
    "rte": (2490, 277),
    "wnli": (635, 71),
}
FULL = ("cola", "sst2", "mrpc", "stsb", "rte", "wnli")


@pytest.fixture
def small(monkeypatch):
    """Make 12 train and 5 dev rows the official size of every task, so that small files are complete."""
    for name, task in TASKS.items():
        monkeypatch.setitem(TASKS, name, dataclasses.replace(task, train_size=12, dev_size=5))


def rows(name):
    return files.example_rows(name), files.example_rows(name, 5, start=100)


def test_the_tasks_are_the_papers():
    assert tuple(TASKS) == presets.GLUE_TASKS
    assert {name: (task.train_size, task.dev_size) for name, task in TASKS.items()} == OFFICIAL
    assert [task.num_labels for task in TASKS.values()] == [2, 2, 2, 1, 2, 3, 2, 2, 2]
    assert [name for name, task in TASKS.items() if task.regression] == ["stsb"]
    assert all(task.main_metric in task.metrics for task in TASKS.values())
    # easy to get wrong: entailment is 0 in RTE and QNLI but 1 in WNLI
    assert get_task("rte").label_names[0] == get_task("wnli").label_names[1] == "entailment"


@pytest.mark.parametrize("name", FULL)
def test_real_data_is_complete(name, shared_dir):
    data = load_task(name, str(shared_dir / "glue"))
    assert (len(data.train), len(data.dev)) == OFFICIAL[name]
    assert data.notes == () and not data.partial
    assert str(shared_dir) not in data.source


@pytest.mark.parametrize("name", ("qqp", "mnli", "qnli"))
def test_real_parts_are_marked(name, shared_dir):
    data = load_task(name, str(shared_dir / "glue"))
    assert data.partial
    assert any("train.subset.parquet" in note for note in data.notes)
    complete_dev = len(data.dev) == OFFICIAL[name][1]
    assert complete_dev == (name != "qqp")
    assert complete_dev == (not any("validation" in note for note in data.notes))


def test_real_majorities(shared_dir):
    """Share of class 1 in dev: the majority baselines printed in the GLUE literature follow from these."""
    names = ("cola", "mrpc", "rte", "wnli")
    share = {n: float(load_task(n, str(shared_dir / "glue")).dev.labels.mean()) for n in names}
    assert share == pytest.approx({"cola": 721 / 1043, "mrpc": 279 / 408, "rte": 131 / 277, "wnli": 31 / 71})


@pytest.mark.parametrize("name", TASKS)
def test_parquet_and_tsv_hold_the_same(name, tmp_path, small):
    train, dev = rows(name)
    parquet = load_task(name, str(files.write_parquet_task(tmp_path / "a", name, train, dev)))
    tsv = load_task(name, str(files.write_tsv_task(tmp_path / "b", name, train, dev)))
    for data in (parquet, tsv):
        for split, expected in ((data.train, train), (data.dev, dev)):
            texts, labels = files.values(expected, name)
            assert split.texts == texts
            np.testing.assert_array_equal(split.labels, labels.astype(split.labels.dtype))
            assert split.labels.dtype == (np.float32 if name == "stsb" else np.int64)
        assert data.notes == () and not data.partial
    assert parquet.fingerprint == tsv.fingerprint


@pytest.mark.parametrize("name", ("mrpc", "stsb", "mnli"))
def test_real_parquet_as_official_tsv(name, tmp_path, shared_dir):
    limits = Limits(400, 200)
    parquet = load_task(name, str(shared_dir / "glue"), limits)
    columns = TASKS[name].columns
    splits = [
        {**dict(zip(columns, map(list, zip(*split.texts)))), "label": split.labels.tolist()}
        for split in (parquet.train, parquet.dev)
    ]
    tsv = load_task(name, str(files.write_tsv_task(tmp_path, name, *splits)))
    assert tsv.fingerprint == parquet.fingerprint
    assert tsv.partial and any(f"train has 400 rows, officially {OFFICIAL[name][0]}" in note for note in tsv.notes)


@pytest.mark.parametrize("name", ("stsb", "mnli"))
def test_hub_from_a_prepared_cache_without_network(name, tmp_path):
    """In a fresh process, as a user on a machine without network would have it."""
    train, dev = rows(name)
    files.write_hub_cache(tmp_path / "home", name, train, dev)
    # a folder of that name must not be taken for the data set
    files.write_parquet_task(tmp_path / "glue", name, *(files.example_rows(name, 3, start=50),) * 2)
    code = (
        "import json; from lottery_utils.tasks.load import load_task; "
        f"d = load_task({name!r}); print(json.dumps([d.fingerprint, d.source, d.partial, d.notes]))"
    )
    root = str(Path(__file__).resolve().parents[1])
    env = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": root}
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_DATASETS_CACHE"):
        env.pop(variable, None)
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    mark, source, partial, notes = json.loads(out.stdout)
    assert mark == load_task(name, str(files.write_parquet_task(tmp_path / "same", name, train, dev))).fingerprint
    assert source.startswith(f"nyu-mll/glue, configuration {name}, revision bcdcba7")
    assert partial and any("officially" in note for note in notes)


@pytest.mark.parametrize("name", TASKS)
def test_embedded_tasks_have_the_demos_own_sizes(name):
    from demo_language.tasks import DEMO_SIZES

    data = load_task(name, "embedded")
    assert (len(data.train), len(data.dev)) == DEMO_SIZES[name]
    assert data.notes == () and not data.partial
    assert set(np.unique(data.dev.labels)) >= set(range(TASKS[name].num_labels)) or name == "stsb"
    limited = load_task(name, "embedded", Limits(20))
    assert limited.partial and limited.train.texts == data.train.texts[:20]


def test_limits_take_the_first_rows_and_say_so(tmp_path, small):
    root = str(files.write_parquet_task(tmp_path, "rte", *rows("rte")))
    whole, part = load_task("rte", root), load_task("rte", root, Limits(3, 5))
    assert part.train.texts == whole.train.texts[:3] and part.train.labels.tolist() == [0, 1, 0]
    assert part.partial and part.notes == ("partial: train limited to the first 3 of 12 rows",)
    assert part.fingerprint != whole.fingerprint


@pytest.mark.parametrize(
    "name",
    ["train-0000{0}-of-00002.parquet", "train-0000{0}-of-00002-a09b74b3ef9c3b5{0}.parquet", "train/000{0}.parquet"],
)
def test_shards_are_joined_in_order(tmp_path, small, name):
    train, dev = rows("cola")
    files.write_parquet(tmp_path / "cola" / "validation.parquet", dev)
    for shard in (1, 0):
        half = {column: values[6 * shard : 6 * shard + 6] for column, values in train.items()}
        files.write_parquet(tmp_path / "cola" / name.format(shard), half)
    assert load_task("cola", str(tmp_path)).train.texts == files.values(train, "cola")[0]


@pytest.mark.parametrize(
    "names",
    (
        ("train-00000-of-00001-a09b74b3ef9c3b56.parquet", "validation-00000-of-00001-b5cd3e6f7a8b9c0d.parquet"),
        ("train/0000.parquet", "validation/0000.parquet"),
    ),
)
def test_parquet_under_the_hubs_older_names(names, tmp_path, small):
    train, dev = rows("cola")
    for name, content in zip(names, (train, dev)):
        files.write_parquet(tmp_path / "cola" / name, content)
    data = load_task("cola", str(tmp_path))
    assert data.train.texts == files.values(train, "cola")[0] and len(data.dev) == 5 and not data.partial


def test_a_missing_shard_under_the_hubs_converted_names_is_refused(tmp_path, small):
    for name, content in zip(("train/0001.parquet", "validation/0000.parquet"), rows("cola")):
        files.write_parquet(tmp_path / "cola" / name, content)
    with pytest.raises(UserError, match="every shard of one set, numbered from 0 on; got 0001.parquet"):
        load_task("cola", str(tmp_path))


@pytest.mark.parametrize("kind", ("string_view", "large_string", "dictionary"))
def test_texts_of_any_string_type_are_the_same_data(kind, tmp_path, small):
    train, dev = rows("rte")
    root = files.write_parquet_task(tmp_path, "rte", train, dev)
    plain, path = load_task("rte", str(root)), root / "rte" / "train.parquet"
    table = pq.read_table(path)
    column = table["sentence1"]
    column = column.dictionary_encode() if kind == "dictionary" else column.cast(getattr(pa, kind)())
    pq.write_table(table.set_column(0, "sentence1", column), path)
    assert pq.read_schema(path).field("sentence1").type != pa.string()
    assert load_task("rte", str(root)).fingerprint == plain.fingerprint


@pytest.mark.parametrize("folder", ("SST-2", "sst2", "sst-2", "SST2"))
def test_a_task_folder_may_be_written_either_way_or_be_given_itself(folder, tmp_path, small):
    files.write_tsv_task(tmp_path, "sst2", *rows("sst2"))
    (tmp_path / "SST-2").rename(tmp_path / folder)
    above, itself = load_task("sst2", str(tmp_path)), load_task("sst2", str(tmp_path / folder))
    assert above.fingerprint == itself.fingerprint
    assert above.notes == itself.notes == ()
    (tmp_path / folder).rename(tmp_path / "mine")
    assert load_task("sst2", str(tmp_path / "mine")).notes == ("folder mine is taken to be SST-2",)


def test_differences_are_notes(tmp_path, small):
    import datasets

    train, dev = rows("wnli")
    features = datasets.Features(
        {column: datasets.Value("string") for column in ("sentence1", "sentence2", "genre")}
        | {"label": datasets.ClassLabel(names=["entailment", "not_entailment"])}
    )
    (tmp_path / "wnli").mkdir()
    table = datasets.Dataset.from_dict({**train, "genre": ["x"] * 12}, features=features)
    table.to_parquet(str(tmp_path / "wnli" / "train.parquet"))
    files.write_parquet(tmp_path / "wnli" / "validation.parquet", files.example_rows("wnli", 6))
    data = load_task("wnli", str(tmp_path))
    assert data.notes == (
        "train.parquet: label names entailment, not_entailment, officially not_entailment, entailment",
        "train.parquet: columns not in the official data, ignored: genre",
        "dev has 6 rows, officially 5 (validation.parquet)",
    )
    assert data.partial


def test_malformed_qqp_lines_are_left_out_and_named(tmp_path, small):
    train, dev = files.example_rows("qqp", 40), files.example_rows("qqp", 5)
    files.write_tsv_task(tmp_path, "qqp", train, dev)
    path = tmp_path / "QQP" / "train.tsv"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines.insert(10, "1\t2\t3\thalf a question")
    path.write_text("\n".join(lines), encoding="utf-8")
    data = load_task("qqp", str(tmp_path))
    assert len(data.train) == 40
    assert "train.tsv: 1 line (11) malformed and left out" in data.notes


texts = st.text(st.characters(codec="utf-8"), max_size=6)


@settings(deadline=None)
@given(st.lists(st.tuples(texts, texts, st.integers(0, 1)), min_size=1, max_size=5), st.data())
def test_fingerprint_changes_with_any_cell(table, data):
    def mark(rows):
        return fingerprint(Split([row[:2] for row in rows], np.array([row[2] for row in rows], dtype=np.int64)))

    row, column = data.draw(st.integers(0, len(table) - 1)), data.draw(st.integers(0, 2))
    cell = data.draw((st.integers(0, 1) if column == 2 else texts).filter(lambda value: value != table[row][column]))
    changed = [*table]
    changed[row] = (*table[row][:column], cell, *table[row][column + 1 :])
    assert mark(changed) != mark(table)
    assert mark(table + table[-1:]) != mark(table)


def test_fingerprint_keeps_cells_and_splits_apart():
    labels = np.array([0])
    one, other = Split([("ab", "c")], labels), Split([("a", "bc")], labels)
    assert len({fingerprint(one), fingerprint(other), fingerprint(one, other), fingerprint(other, one)}) == 4
