"""A task of your own: described in YAML, checked line by line, run by the same commands and notebooks."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_world
import yaml
from matplotlib.text import Text

from lottery_book import side_by_side, sources
from lottery_utils import show
from lottery_utils.cli import main
from lottery_utils.errors import UserError
from lottery_utils.experiment import loaded
from lottery_utils.experiment.cells import parse_cell
from lottery_utils.experiment.study import open_study
from lottery_utils.export.folder import export_cell
from lottery_utils.presets import Limits, get_preset
from lottery_utils.show import tables
from lottery_utils.taskfile import KEYS, read_task_file
from lottery_utils.tasks import glue
from lottery_utils.tasks.glue import find_task
from lottery_utils.tasks.load import load_task
from lottery_utils.tasks.metrics import majority_score, search_score
from lottery_utils.training.batches import Encoded

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "own_task" / "tasks.yaml"
ONE = {"name": "moods", "train": "train.csv", "dev": "dev.csv", "columns": "text", "label": "mood"}
ONE |= {"labels": ["low", "high"]}


def describe(folder: Path, content: dict | str, name: str = "task.yaml") -> str:
    """Write a description and return its path as `data` takes it."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def rows_of(
    folder: Path, train: str = "warm day,high\ncold day,low\n", dev: str = "a fine day,high\ngrey,low\n"
) -> None:
    """Write the two CSV files of `ONE`."""
    for split, rows in (("train", train), ("dev", dev)):
        (folder / f"{split}.csv").write_text("text,mood\n" + rows, encoding="utf-8")


def refused(data: str, task: str = "moods") -> str:
    """The one line with which a description or its data are refused."""
    with pytest.raises(UserError) as caught:
        get_preset("demo", {"data": data})
        load_task(task, data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- the description


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colums": "text"}, f"unknown key 'colums'; valid keys: {', '.join(KEYS)}"),
        ({"name": "../moods"}, "name must be 1 to 40 small letters"),
        ({"name": "Moods"}, "name must be 1 to 40 small letters"),
        ({"name": "my-task"}, "got 'my-task'"),
        ({"name": "rte"}, "name 'rte' is that of a GLUE task"),
        ({"columns": ["a", "b", "c"]}, "columns must have at most 2 items"),
        ({"columns": ["text", "text"]}, "columns must be different texts"),
        ({"columns": []}, "columns must have at least 1 item"),
        ({"columns": "mood"}, "must be different columns"),
        ({"labels": ["low"]}, "labels must have at least 2 items, got [('low', 'low')]"),
        ({"labels": ["low", "low"]}, "labels must give each class a value and a name of its own, got [('low'"),
        ({"labels": {0: "low", 1: "low"}}, "labels must give each class a value and a name of its own"),
        ({"metrics": ["acuracy"]}, "metric 'acuracy' is not one of classification: accuracy, f1, mcc"),
        ({"metrics": ["pearson"]}, "accuracy, f1, mcc"),
        ({"labels": ["a", "b", "c"], "metrics": "f1"}, "'f1' is of the second of two labels, got 3"),
        ({"main_metric": "mcc"}, "main_metric 'mcc' must be one of metrics: accuracy"),
        ({"score_range": [0, 1]}, "score_range is for regression"),
        ({"hub": {"dataset": "a/b"}}, "either train and dev (data files) or hub"),
        ({"train": "dev.csv"}, "both train and dev"),
        ({"train": "train.xlsx"}, "train must be a file in .csv"),
        ({"train": 7}, "train must be a file in .csv, .tsv, .jsonl, .ndjson, .json, .parquet, got '7'"),
        ({"title": ["x"]}, "title must be a valid string, got ['x']"),
        ({"title": " "}, "title must be one line of text, got ' '"),
        ({"labels": ["low", "hi\ngh"]}, "labels must be one line of text, got 'hi\\ngh'"),
        ({"labels": None, "score_range": [0]}, "score_range, item 2, is missing"),
        ({"labels": None, "score_range": [1, 0]}, "score_range must be two numbers, the lower first"),
        ({"labels": None, "score_range": [0, "1_0"]}, "score_range"),
        ({"labels": None, "score_range": [0, True]}, "score_range, item 2, must be a valid number, got 'true'"),
        ({"train": "~nobody-at-all/train.csv"}, "does not exist"),
        ({"dev": None}, "dev is missing; give its data files; or dev: 0.2 to draw a fifth of train"),
        ({"dev": 1.5}, "dev must be data files, or a share of train above 0 and below 1, got 1.5"),
        ({"dev": 1}, "dev must be data files, or a share of train above 0 and below 1, got 1"),
        ({"train": "x" * 300 + ".csv"}, "is no path (File name too long)"),
    ],
)
def test_every_wrong_key_or_value_is_one_clear_line(tmp_path, change, message):
    rows_of(tmp_path)
    content = {key: value for key, value in {**ONE, **change}.items() if value is not None or key == "name"}
    assert message in refused(describe(tmp_path, content))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping"),
        ("- a\n", "expected a mapping"),
        ("name: [", "no valid YAML"),
        ("name: a\nname: b\n", "key 'name' is there twice; keep one of them in \"<unicode string>\", line 2"),
        ("!!python/object/apply:os.system ['true']\n", "no valid YAML"),
        ("tasks: []\n", "tasks must be a list"),
        ("tasks: [5]\n", "expected a mapping with the keys"),
        ("tasks: [{name: a}]\nname: b\n", "unknown key 'name'"),
        ("[" * 3000, "no valid YAML"),
        (f"tasks: 0x{'F' * 8000}\n", "tasks must be a list of tasks, got '0xFFFF"),
    ],
)
def test_what_is_no_description_is_refused(tmp_path, text, message):
    assert message in refused(describe(tmp_path, text))


def test_labels_are_texts_as_written(tmp_path):
    """Of YAML 1.1, 010 would be 8, 1:30 would be 90, 1_0 would be 10, and yes and off truth values."""
    text = "name: moods\ncolumns: text\ntrain: a.csv\ndev: b.csv\n"
    text += "labels: [010, 1:30, 1_0, yes, off, true, 7, 1.50, ~x, 99999999999999999999]\n"
    (task,) = read_task_file(Path(describe(tmp_path, text))).values()
    wanted = ["010", "1:30", "1_0", "yes", "off", "true", "7", "1.50", "~x", "9" * 20]
    assert [value for value, _ in task.labels] == wanted


@pytest.mark.parametrize("tagged", ["!!int abc", "!!bool maybe", "!!timestamp x", "!!python/name:os.system x"])
def test_a_tag_on_what_is_none_of_its_kind_is_no_valid_yaml(tmp_path, tagged):
    text = f"name: moods\ncolumns: {tagged}\ntrain: a.csv\ndev: b.csv\nlabels: [a, b]\n"
    assert "is no valid YAML" in refused(describe(tmp_path, text))


def test_missing_parts_of_a_description_are_named(tmp_path):
    for key, message in (("columns", "columns is missing"), ("name", "name is missing"), ("train", "train is missing")):
        assert message in refused(describe(tmp_path, {k: v for k, v in ONE.items() if k != key}))
    assert "not both and not neither" in refused(describe(tmp_path, {"name": "a", "columns": "text"}))
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    assert "expected UTF-8, got byte 0xe9" in refused(str(tmp_path / "latin.yaml"))
    assert "does not exist" in refused(str(tmp_path / "nothing.yaml"))
    twice = {"tasks": [ONE, ONE]}
    assert "two tasks are called 'moods'" in refused(describe(tmp_path, twice))


def test_the_tasks_of_a_study_are_those_of_the_file(tmp_path):
    data = describe(tmp_path, {"tasks": [ONE, {**ONE, "name": "other"}]})
    assert get_preset("laptop", {"data": data}).tasks == ("moods", "other")
    assert get_preset("laptop", {"data": str(tmp_path)}).tasks == ("moods", "other")  # a folder with task.yaml
    assert get_preset("laptop", {"data": data, "tasks": ["other"]}).tasks == ("other",)
    with pytest.raises(UserError, match="valid in task.yaml: moods, other"):
        get_preset("laptop", {"data": data, "tasks": ["rte"]})
    with pytest.raises(UserError, match="valid: cola, sst2"):
        get_preset("laptop", {"tasks": ["moods"]})


# ---- the data


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("warm,high\ncold,mild\n", "line 3 has label 'mild', expected one of 'low', 'high'"),
        ("warm,high\ncold,\n", "line 3 has label '', expected one of"),
        ("warm,high\n ,low\n", "empty text in 1 of 2 rows, first in line 3"),
        ("warm,high\ncold\n", "line 3 has 1 cells, the header has 2"),
        ("warm,high\ncold, wet,low\n", "line 3 has 3 cells"),
        ('warm,high\n"cold,low\nwet,low\n', "line 3: a quoted cell that begins there is not closed as it should be"),
        ('warm,high\n"cold" day,low\n', "line 3: a quoted cell that begins there"),
        ("", "the file has no rows"),
        ("warm,high\nco\0ld,low\n", "line 3 holds a NUL byte"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, rows, message):
    rows_of(tmp_path, rows)
    assert message in refused(describe(tmp_path, ONE))


def test_wrong_files_are_named(tmp_path):
    data = describe(tmp_path, ONE)
    assert "train.csv does not exist; task moods names it as train" in refused(data)
    rows_of(tmp_path)
    (tmp_path / "train.csv").write_text("")
    assert "the file is empty" in refused(data)
    (tmp_path / "train.csv").write_text("text,label\na,low\n")
    assert "column 'mood' is missing" in refused(data)
    (tmp_path / "train.csv").write_text("text,mood,text\na,low,b\n")
    assert "column 'text' is there 2 times" in refused(data)
    (tmp_path / "train.csv").write_bytes(b"text,mood\ncaf\xe9,low\n")
    assert "line 2: expected UTF-8 text, got byte 0xe9; convert the file" in refused(data)
    (tmp_path / "train.csv").write_bytes(gzip.compress(b"text,mood\na,low\n"))
    assert "expected UTF-8 text, got byte 0x8b; unpack the file" in refused(data)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"}', "line 2: column 'mood' is missing"),
        ('{"text": "a", "mood": 1, "mood": 2}', "line 2 is no JSON object (key 'mood' is there twice)"),
        ("[1, 2]", "line 2 must be a JSON object"),
        ("{", "line 2 is no JSON object"),
        ('{"text": null, "mood": "low"}', "line 2, column 'text' must be text, got None"),
        ('{"text": 5, "mood": "low"}', "line 2, column 'text' must be text, got 5"),
        ('{"text": "cut \\ud83d", "mood": "low"}', "line 2, column 'text' must hold no half of a character"),
        ('{"text": "a", "mood": NaN}', "line 2 has label nan"),
        ('{"text": "a", "mood": ["low"]}', "line 2 has label ['low']"),
    ],
)
def test_wrong_json_lines_are_named(tmp_path, line, message):
    (tmp_path / "train.jsonl").write_text('{"text": "warm", "mood": "high"}\n' + line + "\n")
    rows_of(tmp_path)
    assert message in refused(describe(tmp_path, {**ONE, "train": "train.jsonl"}))


@pytest.mark.parametrize("value", ["nan", "inf", "", "six", "1e39", "5.5", "1_0", "٤"])
def test_scores_are_finite_and_within_their_range(tmp_path, value):
    rows_of(tmp_path, f"warm,4\ncold,{value}\n", "a,1\nb,2\n")
    plain = {k: v for k, v in ONE.items() if k != "labels"}
    if value != "5.5":
        assert "line 3 has label" in refused(describe(tmp_path, plain))
    data = describe(tmp_path, {**plain, "score_range": [0, 5]})
    assert "expected a number from 0 to 5" in refused(data)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train.csv", "text;mood\nwarm;high\n", "column 'text' is missing.*separate columns by commas"),
        ("train.tsv", "text,mood\nwarm,high\n", "column 'text' is missing.*separate columns by tabs"),
        ("train.tsv", '"text"\t"mood"\n"warm"\t"high"\n', "column 'text' is missing.*quotes are characters in TSV"),
        ("train.csv", POINTER, "train.csv is a Git LFS pointer, not the file itself"),
        ("train.parquet", POINTER, "train.parquet is a Git LFS pointer, not the file itself"),
    ],
)
def test_what_the_ending_does_not_say_is_told(tmp_path, name, text, message):
    rows_of(tmp_path)
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert re.search(message, refused(describe(tmp_path, {**ONE, "train": name})))


def test_quoted_texts_of_a_tsv_file_are_noted(tmp_path):
    rows_of(tmp_path)
    (tmp_path / "train.tsv").write_text('text\tmood\n"warm"\thigh\n"cold"\tlow\n', encoding="utf-8")
    data = load_task("moods", describe(tmp_path, {**ONE, "train": "train.tsv"}))
    assert data.train.texts[0] == ('"warm"',)
    assert data.notes == ("train.tsv: 2 of 2 texts stand in double quotes, which TSV keeps",)
    (tmp_path / "train.tsv").write_text('text\tmood\nwarm\t"high"\ncold\t"low"\n', encoding="utf-8")
    line = refused(describe(tmp_path, {**ONE, "train": "train.tsv"}))
    assert "quotes and spaces are characters there: write the file without" in line
    (tmp_path / "train.tsv").write_text("text\tmood\nwarm\t high\ncold\t low\n", encoding="utf-8")
    assert "spaces are characters there" in refused(describe(tmp_path, {**ONE, "train": "train.tsv"}))


def test_rows_without_a_gold_label_are_counted(tmp_path):
    rows = [f"day {n},{'' if n in (3, 50, 99) else ('low', 'high')[n % 2]}\n" for n in range(100)]
    rows_of(tmp_path, "".join(rows))
    line = refused(describe(tmp_path, ONE))
    assert "line 5 has label ''" in line and "3 of 100 rows have no label: label or remove them" in line
    rows_of(tmp_path, "a,low\nb,NA\nc,\n")
    assert "2 of 3 rows have no label" in refused(describe(tmp_path, ONE))
    rows_of(tmp_path, "a,low\nb,N/A\nc,None\nd,null\ne,?\n")
    assert "4 of 5 rows have no label" in refused(describe(tmp_path, ONE))
    rows_of(tmp_path, "a,low\nb,-1.0\nc, \nd,<NA>\ne,high\n")  # as pandas writes what it lacks
    assert "3 of 5 rows have no label" in refused(describe(tmp_path, ONE))
    rows_of(tmp_path, "a,NA\nb,EU\nc,\n")  # a class of that name is one
    assert "1 of 3 rows have no label" in refused(describe(tmp_path, {**ONE, "labels": ["NA", "EU"]}))
    rows_of(tmp_path, "a,-\nb,-\n")
    assert "unlabelled test split" in refused(describe(tmp_path, ONE))


def test_one_file_without_a_dev_set_is_divided_by_a_fixed_draw(tmp_path):
    rows_of(tmp_path, "".join(f"day {n},{('low', 'high')[n % 2]}\n" for n in range(50)))
    data = describe(tmp_path, {**ONE, "dev": 0.2})
    first, again = load_task("moods", data), load_task("moods", data)
    assert (len(first.train), len(first.dev)) == (40, 10) and first.fingerprint == again.fingerprint
    assert {*first.train.texts, *first.dev.texts} == {(f"day {n}",) for n in range(50)} and not first.notes
    assert first.dev.texts != [(f"day {n}",) for n in range(10)]
    assert load_task("moods", describe(tmp_path, {**ONE, "dev": 0.3})).fingerprint != first.fingerprint
    for share, rows in ((0.001, 0), (0.999, 50)):
        line = refused(describe(tmp_path, {**ONE, "dev": share}))
        assert f"of its 50 rows, so {rows}; dev and train need one each" in line


@pytest.mark.parametrize("given", ["train.csv", "."])
def test_a_data_file_without_a_description_is_told_where_to_read_on(tmp_path, given):
    rows_of(tmp_path)
    with pytest.raises(UserError, match="for data of your own give a YAML file that describes them"):
        load_task("sst2", str(tmp_path / given))


def test_a_limit_that_leaves_one_class_of_sorted_rows_is_refused(tmp_path):
    rows_of(tmp_path, "".join(f"day {n},{'low' if n < 30 else 'high'}\n" for n in range(60)))
    data = describe(tmp_path, ONE)
    with pytest.raises(UserError, match=r"with train_limit=20 every row has label low; shuffle.*limited=\[\"moods\"\]"):
        load_task("moods", data, Limits(20))
    assert len(np.unique(load_task("moods", data, Limits(20, drawn=True)).train.labels)) == 2


def test_what_json_or_parquet_can_hold_and_text_cannot_is_named(tmp_path):
    rows_of(tmp_path)
    data = describe(tmp_path, {**ONE, "train": "train.jsonl"})
    (tmp_path / "train.jsonl").write_text('{"text": "a \\ud83d b", "mood": "low"}\n')
    assert "line 1, column 'text' must hold no half of a character" in refused(data)
    (tmp_path / "train.jsonl").write_text('{"text": %s, "mood": "low"}\n' % ('{"a":' * 700 + "1" + "}" * 700))
    assert "column 'text' must be text, got {'a': {'a': " in refused(data)
    scores = {k: v for k, v in ONE.items() if k != "labels"} | {"train": "train.jsonl"}
    (tmp_path / "train.jsonl").write_text('{"text": "a", "mood": %s}\n' % ("9" * 400))
    assert "line 1 has label 9999" in refused(describe(tmp_path, scores))
    days = pa.array([2**31 - 1] * 2, pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"text": ["a", "b"], "mood": days}), tmp_path / "train.parquet")
    assert "got a value that cannot be read" in refused(describe(tmp_path, {**ONE, "train": "train.parquet"}))


def test_classes_may_be_fractions_in_any_format(tmp_path):
    half, more = [Decimal("0.5"), Decimal("2.0")], {**ONE, "labels": ["0.5", 2]}
    rows_of(tmp_path, "warm,0.5\ncold,2\n", "c,2.0\nd,0.5\n")
    (tmp_path / "a.jsonl").write_text('{"text": "a", "mood": 0.5}\n{"text": "b", "mood": 2.0}\n')
    pq.write_table(pa.table({"text": ["a", "b"], "mood": half}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"text": ["a", "b"], "mood": [0.5, 2.0]}), tmp_path / "c.parquet")
    for name in ("train.csv", "a.jsonl", "b.parquet", "c.parquet"):
        data = load_task("moods", describe(tmp_path, {**more, "train": name}))
        assert (data.train.labels.tolist(), data.dev.labels.tolist()) == ([0, 1], [1, 0])


def test_the_same_rows_in_any_format_are_the_same_data(tmp_path):
    texts = ['say "yes", please', "déjà vu", "warm\tday", "two words"]
    moods = [3, 1, 1, 3]
    content = {"text": texts, "mood": moods}
    quoted = [t.replace('"', '""') for t in texts]
    lines = "".join(f'"{t}",{m}\n' for t, m in zip(quoted, moods))
    (tmp_path / "a.csv").write_text("\ufefftext,mood\n" + lines, encoding="utf-8")
    pairs = [json.dumps({"mood": m, "text": t}) for t, m in zip(texts, moods)]
    (tmp_path / "a.jsonl").write_text("\n".join(pairs) + "\n\n")
    pq.write_table(pa.table(content), tmp_path / "a.parquet")
    pq.write_table(pa.table({**content, "mood": [float(m) for m in moods]}), tmp_path / "b.parquet")
    half = [tmp_path / f"half{i}.jsonl" for i in (0, 1)]
    for path, part in zip(half, (pairs[:2], pairs[2:])):
        path.write_text("\n".join(part))
    (tmp_path / "dev.tsv").write_text('text\tmood\n"warm\t1\n', encoding="utf-8")  # quotes are characters in TSV
    same = {**ONE, "dev": "dev.tsv", "labels": {1: "low", 3: "high"}}
    found = {}
    for files in ("a.csv", "a.jsonl", "a.parquet", "b.parquet", ["half0.jsonl", "half1.jsonl"]):
        data = load_task("moods", describe(tmp_path, {**same, "train": files}))
        assert [t for (t,) in data.train.texts] == texts and data.train.labels.tolist() == [1, 0, 0, 1]
        assert data.dev.texts == [('"warm',)] and data.task.label_names == ("low", "high")
        assert not data.partial and data.notes == ("dev: no row has label high",)
        found[str(files)] = data.fingerprint
    assert len(set(found.values())) == 1
    wrong = json.loads(pairs[3]) | {"mood": 2}
    half[1].write_text(pairs[2] + "\n" + json.dumps(wrong))
    data = describe(tmp_path, {**same, "train": ["half0.jsonl", "half1.jsonl"]})
    assert "line 2 of half1.jsonl has label 2" in refused(data)


def test_whole_numbers_and_truth_values_count_however_a_tool_writes_them(tmp_path):
    """A data frame with gaps writes 1 as "1.0", and truth values with a capital letter."""
    (tmp_path / "a.jsonl").write_text('{"text": "a", "mood": 1.0}\n{"text": "b", "mood": 3}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "a", "mood": false}\n{"text": "b", "mood": true}\n')
    for labels in ([1, 3], ["1.0", "3.0"], ["1", "3.00"]):
        rows_of(tmp_path, "warm,1.0\ncold,3\n", "c,3.0\nd,1\n")
        data = load_task("moods", describe(tmp_path, {**ONE, "train": ["train.csv", "a.jsonl"], "labels": labels}))
        assert (data.train.labels.tolist(), data.dev.labels.tolist()) == ([0, 1, 0, 1], [1, 0])
    for labels in (["false", "true"], ["False", "True"]):
        rows_of(tmp_path, "warm,True\ncold,false\n", "c,FALSE\n")
        data = load_task("moods", describe(tmp_path, {**ONE, "train": ["train.csv", "b.jsonl"], "labels": labels}))
        assert (data.train.labels.tolist(), data.dev.labels.tolist()) == ([1, 0, 0, 1], [0])
    rows_of(tmp_path, "warm,1.5\ncold,3\n", "c,3\n")
    assert "line 2 has label '1.5', expected one of '1', '3'" in refused(describe(tmp_path, {**ONE, "labels": [1, 3]}))
    rows_of(tmp_path, "warm,2.0\ncold,2\n", "c,2\n")  # both named: each is its own
    data = load_task("moods", describe(tmp_path, {**ONE, "labels": ["2", "2.0"]}))
    assert data.train.labels.tolist() == [1, 0]


def test_a_definition_is_part_of_the_fingerprint_and_a_limit_makes_it_partial(tmp_path):
    rows_of(tmp_path)

    def fingerprint(**changes):
        return load_task("moods", describe(tmp_path, {**ONE, **changes})).fingerprint

    kinds = [{}, {"labels": ["high", "low"]}, {"labels": ["low", "high", "none"]}, {"metrics": ["mcc"]}]
    kinds += [{"metrics": ["accuracy", "f1"]}, {"metrics": ["accuracy", "f1"], "main_metric": "f1"}]
    assert len({fingerprint(**change) for change in kinds}) == len(kinds)
    assert fingerprint(title="Something else") == fingerprint()
    data = load_task("moods", describe(tmp_path, ONE), Limits(1))
    assert data.partial and "limited to the first 1 of 2 rows" in data.notes[0]


def test_examples_in_train_and_dev_are_noted(tmp_path):
    rows_of(tmp_path, dev="cold day,low\ngrey,low\n")
    notes = load_task("moods", describe(tmp_path, ONE)).notes
    assert notes == ("dev: 1 of 2 rows have texts that are in train too", "dev: no row has label high")


def test_where_train_has_one_class_the_baselines_give_that(tmp_path):
    from lottery_utils.training.baselines import bag_of_words

    rows_of(tmp_path, "warm,high\ncold,high\n", "a fine day,high\ngrey,low\nwet,low\n")
    data = load_task("moods", describe(tmp_path, ONE))
    assert data.notes == ("train: no row has label low",)
    assert bag_of_words(data).tolist() == [1, 1, 1]


def test_data_changed_between_two_runs_of_one_process_are_read_again(tmp_path):
    data, name = describe(tmp_path, ONE), "moods/0/baseline/majority"
    scores = []
    for dev in ("x,high\ny,high\nz,low\n", "x,high\ny,high\nz,low\nw,high\n"):
        rows_of(tmp_path, dev=dev)
        study = open_study("laptop", overrides={"data": data, "model": "embedded"}, results_dir=tmp_path / "results")
        summary = study.run(["baseline"], subnetworks=["majority"], engine="serial", progress=False)
        assert summary.ok, summary.failed
        scores.append(study.record(name)["score"])
    assert scores == [pytest.approx(2 / 3), 0.75]


def test_scores_of_own_metrics(tmp_path):
    base = {**ONE, "metrics": ["f1"]}
    task = find_task("moods", describe(tmp_path, base))
    assert majority_score(task, np.array([1, 1, 0])) == pytest.approx(0.8)  # 2 * 2/3 / (1 + 2/3)
    assert majority_score(task, np.array([0, 1, 0])) == 0.0
    plain = {k: v for k, v in ONE.items() if k != "labels"}
    task = find_task("moods", describe(tmp_path, {**plain, "metrics": "spearman"}))
    assert search_score(task, {"spearman": 0.4}) == 0.4


# ---- a dataset of the hub, from its cache


def hub_cache(home: Path, rows: dict[str, list], revision: str) -> None:
    """A dataset `someone/moods` as the hub's client leaves it in its cache: CSV files and a README."""
    repository = home / "hub" / "datasets--someone--moods"
    snapshot = repository / "snapshots" / revision
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    (snapshot / "data").mkdir(parents=True)
    for split, values in rows.items():
        lines = "".join(f"{text},{mood}\n" for text, mood in values)
        (snapshot / "data" / f"{split}.csv").write_text("text,mood\n" + lines)
    configs = [{"split": split, "path": f"data/{split}.csv"} for split in rows]
    card = {"configs": [{"config_name": "default", "data_files": configs}]}
    (snapshot / "README.md").write_text("---\n" + yaml.safe_dump(card) + "---\n")


def test_a_dataset_of_the_hub_comes_from_the_cache_at_its_revision(tmp_path, monkeypatch):
    import datasets
    import huggingface_hub.constants

    revision = "c0ffee" * 6 + "abcd"
    hub_cache(tmp_path, {"train": [("warm", "high"), ("cold", "low")], "test": [("fine", "high")]}, revision)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    hub = {"dataset": "someone/moods", "revision": revision, "dev": "test"}
    one = {"name": "moods", "columns": "text", "label": "mood", "labels": ["low", "high"]}
    for given in (hub, {**hub, "revision": "main"}):
        data = load_task("moods", describe(tmp_path, {**one, "hub": given}))
        assert data.train.texts == [("warm",), ("cold",)] and data.train.labels.tolist() == [1, 0]
        assert data.dev.labels.tolist() == [1] and "someone/moods" in data.source and str(tmp_path) not in data.source
    line = refused(describe(tmp_path, {**one, "hub": {**hub, "dev": "validation"}}))
    assert "dataset someone/moods" in line and "validation" in line
    assert "column 'body' is missing" in refused(describe(tmp_path, {**one, "columns": "body", "hub": hub}))
    line = refused(describe(tmp_path, {**one, "hub": {**hub, "dataset": "someone/nothing"}}))
    assert "neither in the hub's cache nor to be had" in line
    for wrong, message in (
        ({"split": "x"}, "unknown key 'split'; valid keys: dataset, config"),
        ({"dataset": "../x"}, "a name on the hub"),
        ({"dev": "train"}, "both split 'train'"),
    ):
        assert message in refused(describe(tmp_path, {**one, "hub": {**hub, **wrong}}))


# ---- end to end


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A tiny model, and a YAML file with a task of classes (CSV), one of pairs (JSON lines) and one of scores (TSV)."""
    root = tmp_path_factory.mktemp("own")
    small_world.make_model(root / "model")
    rng = np.random.default_rng(0)
    for split, count in (("train", 160), ("dev", 60)):
        labels = rng.permutation(np.arange(count) % 2)
        one = [f"{small_world._sentence(rng, int(y))},{('low', 'high')[y]}" for y in labels]
        (root / f"moods_{split}.csv").write_text("text,mood\n" + "\n".join(one) + "\n")
        two = [small_world._pair(rng, int(y)) | {"same": bool(y)} for y in labels]
        (root / f"pairs_{split}.jsonl").write_text("\n".join(map(json.dumps, two)))
        three = [f"{small_world._sentence(rng, int(y))}\t{-2.5 if y else 10}" for y in labels]
        (root / f"scores_{split}.tsv").write_text("text\tscore\n" + "\n".join(three))
    content = {
        "tasks": [
            {**ONE, "title": "Moods, of mine", "train": "moods_train.csv", "dev": "moods_dev.csv"},
            {
                "name": "pairs", "train": "pairs_train.jsonl", "dev": "pairs_dev.jsonl",
                "columns": ["sentence1", "sentence2"], "label": "same", "labels": ["false", "true"],
                "metrics": ["f1", "mcc"], "main_metric": "mcc",
            },
            {
                "name": "scores", "train": "scores_train.tsv", "dev": "scores_dev.tsv", "columns": "text",
                "label": "score",
            },
        ]
    }  # fmt: skip
    describe(root, content, "my_task.yaml")
    return root


def settings(world: Path) -> dict:
    """The preset fields of a study of `world`."""
    return {**small_world.SETTINGS, "model": str(world / "model"), "data": str(world / "my_task.yaml")}


@pytest.fixture(scope="module")
def results(world, tmp_path_factory):
    """The results of one command, computed by a worker process."""
    folder = tmp_path_factory.mktemp("results") / "results"
    pairs = [f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in settings(world).items()]
    options = ["--preset", "laptop", "--seeds", "1", "--results", str(folder), "--set", *pairs]
    chosen = ["--subnetworks", "good", "majority", "bag_of_words", "--workers", "1", "--quiet"]
    assert main(["run", *options, *chosen]) == 0
    return folder


def test_the_same_command_runs_classes_pairs_and_scores(world, results):
    study = open_study("laptop", seeds=[1], overrides=settings(world), results_dir=results)
    table = study.table()
    assert set(table["task"]) == {"moods", "pairs", "scores"} and not table["partial"].any()
    assert dict(zip(table["task"], table["metric"])) == {"moods": "accuracy", "pairs": "mcc", "scores": "pearson"}
    assert list(dict.fromkeys(table["title"])) == ["Moods, of mine", "pairs", "scores"]
    for task in ("moods", "scores"):
        own = table[(table["task"] == task) & (table["stage"] == "finetune")]
        assert own["score"].iloc[0] > 0.6, task
    for method in ("structured", "magnitude"):
        assert study.mask(f"moods/1/search/{method}/good") is not None
    record = study.record("pairs/1/finetune/full")
    assert record["task"]["labels"] == ["false", "true"] and record["task"]["columns"] == ["sentence1", "sentence2"]
    assert record["address"].startswith("pairs-full-finetune-1-")
    again = study.run(subnetworks=["good", "majority", "bag_of_words"], engine="serial", progress=False)
    assert again.ok and again.computed == 0


def test_a_corrected_title_reaches_the_pages_of_stored_records_whatever_is_in_it(results, world, tmp_path, monkeypatch):
    """A title is no part of a task's address; dollars in one are no formula."""
    monkeypatch.setattr(glue, "_MET", {})  # what this process has met is not to reach other tests
    title = "From US$ 5_a_b to US$ 6"
    text = (world / "my_task.yaml").read_text(encoding="utf-8").replace("Moods, of mine", f'"{title}"')
    for file in world.glob("*_*.*"):
        shutil.copy(file, tmp_path)
    data = describe(tmp_path, text, "my_task.yaml")
    study = open_study("laptop", ["moods"], [1], {**settings(world), "data": data}, results)
    assert set(study.table()["title"]) == {title}
    show.apply_style()
    figure = side_by_side.scores([sources.run_source(study)], side_by_side.ENDS)
    figure.savefig(tmp_path / "figure.png")
    assert any(title in text.get_text() for text in figure.findobj(Text))
    assert not any(text.get_parse_math() for text in figure.findobj(Text))


def test_records_are_read_without_the_yaml_file(results, world, capsys):
    gone = {**settings(world), "data": "gone/my_task.yaml"}
    study = open_study("laptop", ["moods"], [1], gone, results)
    assert study.record("moods/1/finetune/full")["task"]["title"] == "Moods, of mine"
    assert set(study.table()["title"]) == {"Moods, of mine"}
    with pytest.raises(UserError, match="my_task.yaml does not exist"):
        study.run(progress=False)
    assert main(["verify", "--results", str(results)]) == 0
    assert main(["show", "moods/1/finetune/full", "--results", str(results)]) == 0
    assert json.loads(capsys.readouterr().out.split("\n", 1)[1].partition("{")[2].join(("{", "")))["name"]
    with pytest.raises(UserError, match="no cell"):
        study.record("other/1/finetune/full")


def test_the_pages_know_titles_labels_and_sizes(results, world):
    study = open_study("laptop", seeds=[1], overrides=settings(world), results_dir=results)
    html = tables.task_table(study).to_html()
    assert "Moods, of mine" in html and "low, high" in html and "GLUE" not in html and "160" in html


def test_another_description_is_another_address(world, results):
    content = yaml.safe_load((world / "my_task.yaml").read_text())
    content["tasks"][0]["labels"].append("even")
    describe(world, content, "other.yaml")
    one, two = (
        open_study("laptop", ["moods"], [1], {**settings(world), "data": str(path)}, results).address(
            "moods/1/finetune/full"
        )
        for path in (world / "my_task.yaml", world / "other.yaml")
    )
    assert one != two


@pytest.mark.slow
def test_a_notebook_on_an_own_task(world, results, tmp_path):
    import nbformat
    import papermill

    parameters = {"preset": "laptop", "seeds": [1], "overrides": settings(world), "results_dir": str(results)}
    out, notebook = tmp_path / "out.ipynb", ROOT / "notebooks" / "02_structured.ipynb"
    papermill.execute_notebook(str(notebook), str(out), parameters, progress_bar=False, cwd=str(ROOT))
    assert "Moods, of mine" in out.read_text(encoding="utf-8")
    executed = nbformat.read(out, as_version=4)
    assert sum("image/png" in o.get("data", {}) for c in executed.cells for o in c.get("outputs", [])) >= 2


# ---- the page


def test_the_example_of_the_page_is_the_one_that_runs(tmp_path):
    page = (ROOT / "book" / "own_task.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert EXAMPLE.read_text(encoding="utf-8") in blocks
    for key in KEYS:
        assert f"`{key}`" in page, key
    overrides = {"data": str(EXAMPLE), "min_steps": 1, "epochs": 1}
    study = open_study("demo", ["reviews"], [42], overrides, tmp_path / "results")
    summary = study.run(["search"], ["structured"], engine="serial", progress=False)
    assert summary.ok
    for task in study.preset.tasks:
        data = load_task(task, str(EXAMPLE))
        assert (len(data.train), len(data.dev), data.notes) == (360, 150, ())


def test_further_blocks_of_the_page_are_valid(tmp_path):
    page = (ROOT / "book" / "own_task.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) > 1
    for block in blocks:
        assert read_task_file(Path(describe(tmp_path, block)))


@pytest.mark.parametrize("named", (True, False))
def test_words_that_the_tokenizer_does_not_know_stop_a_run_unless_it_is_told_to_go_on(tmp_path, capsys, named):
    """Also where the settings do not name the token that the tokenizer itself has for them."""
    model = small_world.make_model(tmp_path / "model")
    path = model / "tokenizer_config.json"
    settings = json.loads(path.read_text()) | ({} if named else {"unk_token": None})
    path.write_text(json.dumps(settings | ({} if named else {"tokenizer_class": "PreTrainedTokenizerFast"})))
    text = "la maison est belle,high\nfine film,high\nle chat est gris,low\ndull song,low\n" * 8
    rows_of(tmp_path, text, text)
    overrides = {**small_world.SETTINGS, "model": str(model), "data": describe(tmp_path, ONE), "epochs": 1}
    study = open_study("laptop", None, [1], overrides, tmp_path / "results")
    with pytest.raises(UserError, match=r"67% of its words are unknown to the tokenizer of .*unknown_words=1"):
        study.run(["finetune"], engine="serial", progress=False)
    assert not list(study.store.addresses())
    study = open_study("laptop", None, [1], {**overrides, "unknown_words": 1.0}, tmp_path / "results")
    study.run(["finetune"], engine="serial", progress=False)
    assert "task moods: 67% of the words are unknown to the tokenizer of" in capsys.readouterr().err
    record = study.record("moods/1/finetune/full")
    assert record["unknown_words"] == pytest.approx(8 / 12)
    assert any("67% of the words are unknown" in note for note in record["data_notes"])
    assert "up to 67\N{NO-BREAK SPACE}% of a task's words unknown" in show.sentences.run_on(study)
    export_cell(study, parse_cell("moods/1/finetune/full", ["moods"]), tmp_path / "out")
    assert "67% of the words are unknown" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_tokenizer_without_a_token_for_the_unknown_counts_examples_of_which_nothing_is_left():
    words = Encoded(np.array([1, 2, 1, 5, 6, 2]), np.empty(0), np.array([0, 2, 6]), np.zeros(2), 0)
    tokenizer = SimpleNamespace(unk_token=None, all_special_ids=[1, 2])
    assert loaded.unknown_share(tokenizer, words) == 0.5


def test_a_small_dev_set_in_another_language_stops_a_run_too(tmp_path):
    rows_of(tmp_path, "fine film,high\ndull song,low\n" * 40, "la maison est belle,high\nle chat est gris,low\n" * 4)
    overrides = {**small_world.SETTINGS, "model": str(small_world.make_model(tmp_path / "model"))}
    study = open_study("laptop", None, [1], {**overrides, "data": describe(tmp_path, ONE)}, tmp_path / "results")
    with pytest.raises(UserError, match=r"100% of its words are unknown to the tokenizer of"):
        study.run(["finetune"], engine="serial", progress=False)
