"""Every kind of bad data gives one clear line: which file, what was expected, what was got, what to do."""

from __future__ import annotations

import re

import glue_files as files
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lottery_utils.errors import UserError
from lottery_utils.tasks.load import load_task


def line_of(name, data) -> str:
    """Return the error of loading `name` from `data`; it must be one line that says what to do."""
    with pytest.raises(UserError) as caught:
        load_task(name, str(data))
    message = str(caught.value)
    assert "\n" not in message and "\r" not in message
    assert len(message) < 600
    assert re.search(r"; |valid", message), "what to do follows a semicolon"
    return message


def good(name):
    return files.example_rows(name), files.example_rows(name, 5, start=100)


@pytest.fixture
def rte(tmp_path):
    """A good parquet folder of RTE."""
    return files.write_parquet_task(tmp_path, "rte", *good("rte"))


@pytest.fixture
def tsv(tmp_path):
    """Good official folders of CoLA, STS-B, QQP and RTE."""
    for name in ("cola", "stsb", "qqp", "rte"):
        files.write_tsv_task(tmp_path, name, *good(name))
    return tmp_path


def rewrite(root, **changes):
    """Write RTE's train split with some columns replaced, or left out where None is given."""
    rows = {**files.example_rows("rte"), **changes}
    pq.write_table(pa.table({key: value for key, value in rows.items() if value is not None}), train_of(root))
    return root


def train_of(root):
    return root / "rte" / "train.parquet"


def labels_with(value, row=7):
    labels = [0, 1] * 6
    labels[row] = value
    return labels


def texts_with(value, row=7):
    texts = [f"text {n}" for n in range(12)]
    texts[row] = value
    return texts


def test_unknown_task(rte):
    assert line_of("rt", rte) == (
        "unknown task 'rt'; valid tasks: cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli"
    )


def test_missing_directory(tmp_path):
    message = line_of("rte", tmp_path / "nowhere")
    assert "nowhere does not exist" in message and "rte/train.parquet or RTE/train.tsv" in message


def test_a_file_for_a_directory(rte):
    assert "train.parquet is not a directory" in line_of("rte", train_of(rte))


def test_directory_without_the_task(rte):
    assert "has no files of CoLA; expected cola/train*.parquet" in line_of("cola", rte)


def test_directory_of_another_task(rte):
    assert "is the folder of RTE, not of MRPC" in line_of("mrpc", rte / "rte")


def test_empty_task_directory(tmp_path):
    (tmp_path / "rte").mkdir()
    assert "found nothing" in line_of("rte", tmp_path)


@pytest.mark.parametrize("split", ("train", "validation"))
def test_absent_split(rte, split):
    (rte / "rte" / f"{split}.parquet").unlink()
    assert f"no {split}*.parquet for RTE" in line_of("rte", rte)


def test_mnli_needs_the_matched_split(tmp_path):
    files.write_parquet_task(tmp_path, "mnli", *good("mnli"))
    (tmp_path / "mnli" / "validation_matched.parquet").rename(tmp_path / "mnli" / "validation_mismatched.parquet")
    assert "no validation_matched*.parquet for MNLI" in line_of("mnli", tmp_path)


def test_empty_split(rte):
    columns = {name: pa.array([], pa.string()) for name in ("sentence1", "sentence2")}
    message = line_of("rte", rewrite(rte, **columns, label=pa.array([], pa.int64())))
    assert "train.parquet: the split has no rows" in message


def test_missing_column(rte):
    message = line_of("rte", rewrite(rte, sentence2=None))
    assert "train.parquet: column 'sentence2' is missing; the task needs 'sentence1', 'sentence2', 'label'" in message
    assert "got 'sentence1', 'label'" in message


def test_duplicate_column(rte):
    table = pq.read_table(train_of(rte))
    pq.write_table(table.append_column("label", table["label"]), train_of(rte))
    assert "column 'label' is there 2 times" in line_of("rte", rte)


@pytest.mark.parametrize("value", (2, -2, None))
def test_wrong_label(rte, value):
    message = line_of("rte", rewrite(rte, label=labels_with(value)))
    assert f"row 7 has label {value}, expected 0 (entailment), 1 (not_entailment)" in message


def test_unlabelled_split(rte):
    message = line_of("rte", rewrite(rte, label=[-1] * 12))
    assert "row 0 has label -1" in message and "unlabelled test split" in message


def test_wrong_label_name(rte):
    labels = ["entailment"] * 11 + ["neutral"]
    assert "row 11 has label 'neutral'" in line_of("rte", rewrite(rte, label=labels))


@pytest.mark.parametrize("value", (5.5, -0.1, float("nan"), None))
def test_wrong_score(tmp_path, value):
    train, dev = good("stsb")
    train["label"][3] = value
    files.write_parquet_task(tmp_path, "stsb", train, dev)
    assert "expected a number from 0 to 5" in line_of("stsb", tmp_path)


def test_wrong_type(rte):
    assert "row 0, column 'sentence1' must be text, got 0" in line_of("rte", rewrite(rte, sentence1=list(range(12))))
    assert "row 0 has label True, expected 0 (entailment)" in line_of("rte", rewrite(rte, label=[True] * 12))
    assert "row 0 has label 0.5" in line_of("rte", rewrite(rte, label=[0.5] * 12))


def test_missing_text(rte):
    message = line_of("rte", rewrite(rte, sentence1=texts_with(None)))
    assert "row 7, column 'sentence1' must be text, got None" in message


@pytest.mark.parametrize("value", ("", " \t\n"))
def test_empty_text(rte, value):
    assert "empty text in 1 of 12 rows, first in row 7" in line_of("rte", rewrite(rte, sentence2=texts_with(value)))


def test_a_rare_empty_text_is_noted(tmp_path):
    """QQP is known to hold a few questions without text."""
    train, dev = files.example_rows("qqp", 1000), files.example_rows("qqp", 5)
    train["question2"][17] = ""
    data = load_task("qqp", str(files.write_parquet_task(tmp_path, "qqp", train, dev)))
    assert "train: empty text in 1 of 1000 rows, first in row 17" in data.notes


@pytest.mark.parametrize("keep", (0, 3, 200, -1, -40))
def test_truncated_parquet(rte, keep):
    content = train_of(rte).read_bytes()
    train_of(rte).write_bytes(content[:keep])
    assert "train.parquet: expected a parquet file, but it is damaged, cut short" in line_of("rte", rte)


def test_corrupt_parquet(rte):
    content = bytearray(train_of(rte).read_bytes())
    content[4:400] = bytes(396)
    train_of(rte).write_bytes(bytes(content))
    assert "train.parquet" in line_of("rte", rte)


def test_not_utf8_in_parquet(rte):
    bad = pa.array([b"\xff\xfe text"] * 12, pa.binary()).view(pa.string())
    assert "train.parquet: expected texts in UTF-8 and labels" in line_of("rte", rewrite(rte, sentence1=bad))


def test_directory_named_like_a_file(rte):
    train_of(rte).unlink()
    train_of(rte).mkdir()
    assert "train.parquet is no plain file" in line_of("rte", rte)


def test_several_candidates(rte):
    files.write_parquet(rte / "rte" / "train.subset.parquet", files.example_rows("rte", 3))
    assert "split train must be one file, or every shard of one set" in (line := line_of("rte", rte))
    assert "got train.parquet, train.subset.parquet; remove or add files" in line


def test_the_same_shard_under_an_older_name_is_not_read_twice(rte):
    again = rte / "rte" / "train-00000-of-00001-a09b74b3ef9c3b56.parquet"
    again.write_bytes(train_of(rte).read_bytes())
    train_of(rte).rename(rte / "rte" / "train-00000-of-00001.parquet")
    assert "every shard of one set, numbered from 0 on; got train-00000-of-00001-a0" in line_of("rte", rte)


def test_missing_shard(rte):
    train_of(rte).rename(rte / "rte" / "train-00000-of-00002.parquet")
    assert "every shard of one set, numbered from 0 on; got train-00000-of-00002.parquet" in line_of("rte", rte)


def test_hub_cache_without_the_task(tmp_path, monkeypatch):
    import huggingface_hub.constants

    hub = files.write_hub_cache(tmp_path, "rte", *good("rte"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert len(load_task("rte").train) == 12
    message = line_of("mrpc", "hub")
    assert message.startswith("nyu-mll/glue, configuration mrpc, revision bcdcba7 is neither in the hub's cache")


# official TSV folders


def edit(path, change):
    """Replace the lines of a TSV file by ``change(lines)``."""
    lines = path.read_text(encoding="utf-8").split("\n")
    path.write_text("\n".join(change(lines)), encoding="utf-8")


def test_tsv_absent_split(tsv):
    (tsv / "RTE" / "dev.tsv").unlink()
    assert "dev.tsv: no such file; RTE needs train.tsv and dev.tsv" in line_of("rte", tsv)


@pytest.mark.parametrize("content", ("", "\n\n"))
def test_tsv_empty_file(tsv, content):
    (tsv / "RTE" / "train.tsv").write_text(content)
    assert "train.tsv: the file is empty" in line_of("rte", tsv)


def test_tsv_header_only(tsv):
    edit(tsv / "RTE" / "train.tsv", lambda lines: lines[:1])
    assert "train.tsv: the split has no rows" in line_of("rte", tsv)


def test_tsv_missing_and_duplicate_column(tsv):
    edit(tsv / "RTE" / "dev.tsv", lambda lines: ["index\tsentence1\thypothesis\tlabel", *lines[1:]])
    assert "dev.tsv: column 'sentence2' is missing" in line_of("rte", tsv)
    edit(tsv / "RTE" / "dev.tsv", lambda lines: ["label\tsentence1\tsentence2\tlabel", *lines[1:]])
    assert "dev.tsv: column 'label' is there 2 times" in line_of("rte", tsv)


@pytest.mark.parametrize("name, title", (("rte", "RTE"), ("qqp", "QQP"), ("stsb", "STS-B"), ("cola", "CoLA")))
def test_tsv_cut_in_its_last_line(tsv, name, title):
    path = tsv / title / "train.tsv"
    last = path.read_bytes().rstrip(b"\n")
    cut = last[: last.rindex(b"\n") + 5]
    path.write_bytes(cut)
    message, line = line_of(name, tsv), cut.count(b"\n") + 1
    assert f"line {line} has" in message and "cut short" in message


def test_tsv_with_commas_for_tabs(tsv):
    edit(tsv / "CoLA" / "train.tsv", lambda lines: [line.replace("\t", ",") for line in lines])
    assert "12 such lines of 12" in line_of("cola", tsv)


def test_tsv_wrong_label_names_the_line(tsv):
    wrong = ["9\ta\tb\tcontradiction"]
    edit(tsv / "RTE" / "train.tsv", lambda lines: [*lines[:4], *wrong, *lines[5:]])
    assert "line 5 has label 'contradiction'" in line_of("rte", tsv)


def test_tsv_unlabelled(tsv):
    edit(tsv / "STS-B" / "train.tsv", lambda lines: [*lines[:2], lines[2].rsplit("\t", 1)[0] + "\t-", *lines[3:]])
    assert "line 3 has label '-', expected a number from 0 to 5" in line_of("stsb", tsv)


@pytest.mark.parametrize("encoding", ("latin-1", "utf-16"))
def test_tsv_not_utf8(tsv, encoding):
    path = tsv / "RTE" / "train.tsv"
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    line = {"latin-1": 2, "utf-16": 1}[encoding]
    assert f"train.tsv: line {line}: expected UTF-8 text, got byte 0x" in line_of("rte", tsv)


def test_tsv_with_a_nul_byte(tsv):
    edit(tsv / "RTE" / "train.tsv", lambda lines: [*lines[:3], lines[3][:9] + "\0" + lines[3][9:], *lines[4:]])
    assert "line 4 holds a NUL byte" in line_of("rte", tsv)
