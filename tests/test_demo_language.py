"""The demo language and its nine tasks: stored as drawn, no leaks, GLUE's shape, labels true to the grammar."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from random import Random

import pyarrow.parquet as pq
import pytest

from demo_language import pair_tasks, single_tasks
from demo_language.corpus import KINDS, texts
from demo_language.grammar import grammatical, tags
from demo_language.language import draw_clause, reserved, say
from demo_language.lexicon import words
from demo_language.relations import contradict, elaborate, entails, leave_open, weaken
from demo_language.tasks import DEMO_SIZES, demo_task
from demo_language.vocabulary import SPECIAL, encode, vocabulary
from demo_language.write import sentence_table, task_tables
from lottery_book.probes.sentences import SENTENCES
from lottery_utils.demo import demo_task_dir, micro_bert_dir
from lottery_utils.presets import PROBE_SENTENCES
from lottery_utils.tasks.glue import TASKS

COLUMNS = {
    "cola": ["sentence", "label"],
    "sst2": ["sentence", "label"],
    "mrpc": ["sentence1", "sentence2", "label"],
    "stsb": ["sentence1", "sentence2", "label"],
    "qqp": ["question1", "question2", "label"],
    "mnli": ["premise", "hypothesis", "label"],
    "qnli": ["question", "sentence", "label"],
    "rte": ["sentence1", "sentence2", "label"],
    "wnli": ["sentence1", "sentence2", "label"],
}
# the largest share a label may have in train; MRPC and QQP lean as GLUE's do
LARGEST_SHARE = {"cola": 0.70, "mrpc": 0.70, "qqp": 0.65, "mnli": 0.38}
DIGEST = (
    "import json, hashlib; from demo_language.tasks import DEMO_SIZES, demo_task; "
    "print(hashlib.sha256(json.dumps([demo_task(n) for n in DEMO_SIZES]).encode()).hexdigest())"
)


def rows(split: dict) -> list[tuple]:
    return list(zip(*[split[c] for c in split if c != "label"]))


def test_tasks_are_the_same_in_every_process():
    here = hashlib.sha256(json.dumps([demo_task(n) for n in DEMO_SIZES]).encode()).hexdigest()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        out = subprocess.run([sys.executable, "-c", DIGEST], env=env, capture_output=True, text=True, check=True).stdout
        assert out.strip() == here


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_stored_tasks_are_those_that_are_drawn(task):
    tables = task_tables(task)
    assert sorted(demo_task_dir(task.name).iterdir()) == sorted(tables)
    for path, drawn in tables.items():
        assert pq.read_table(path).equals(drawn, check_metadata=True)


def test_the_stored_sentences_are_those_that_are_drawn_and_as_many_as_may_be_asked_for():
    stored = pq.read_table(SENTENCES)
    assert stored.slice(0, 600).equals(sentence_table(600), check_metadata=True)
    assert len(stored) == PROBE_SENTENCES


def test_datasets_reads_the_stored_tasks(tmp_path):
    from datasets import load_dataset

    files = {split: str(demo_task_dir("rte") / f"{split}.parquet") for split in ("train", "validation")}
    read = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
    assert (dict(read["train"][:]), dict(read["validation"][:])) == demo_task("rte")


@pytest.mark.parametrize("name", DEMO_SIZES)
def test_shape_and_labels_are_those_of_glue(name):
    train, dev = demo_task(name)
    assert list(train) == list(dev) == COLUMNS[name]
    assert (len(train["label"]), len(dev["label"])) == DEMO_SIZES[name]
    if name == "stsb":
        assert all(isinstance(y, float) and 0.0 <= y <= 5.0 for y in train["label"] + dev["label"])
        assert len(set(train["label"])) > 15
        return
    counts = Counter(train["label"])
    assert sorted(counts) == ([0, 1, 2] if name == "mnli" else [0, 1])
    assert max(counts.values()) / len(train["label"]) < LARGEST_SHARE.get(name, 0.60)
    assert sorted(Counter(dev["label"])) == sorted(counts)


def test_sizes_are_ordered_as_in_glue():
    order = ["mnli", "qqp", "qnli", "sst2", "cola", "stsb", "mrpc", "rte", "wnli"]
    train = [DEMO_SIZES[name][0] for name in order]
    assert train == sorted(train, reverse=True) and len(set(train)) == len(train)
    assert all(300 <= DEMO_SIZES[name][1] <= 600 for name in order[:-1])


@pytest.mark.parametrize("name", DEMO_SIZES)
def test_train_and_dev_share_nothing(name):
    train, dev = (rows(split) for split in demo_task(name))
    assert len(set(train)) == len(train) and len(set(dev)) == len(dev)
    assert not set(train) & set(dev)
    assert not set(train) & {tuple(reversed(row)) for row in dev}
    if name != "wnli":  # WNLI's dev set repeats the premises of the train set, as GLUE's does
        assert not {text for row in train for text in row} & {row[0] for row in dev}
        assert all(reserved(row[0]) for row in dev) and not any(reserved(text) for row in train for text in row)


def test_wnli_misleads_who_learns_its_premises_by_heart():
    train, dev = demo_task("wnli")
    label = dict(zip(train["sentence1"], train["label"]))
    assert all(label[premise] == 1 - y for premise, y in zip(dev["sentence1"], dev["label"]))
    assert 0.5 < Counter(dev["label"]).most_common(1)[0][1] / len(dev["label"]) < 0.65


@pytest.mark.parametrize("phase", KINDS)
def test_pre_training_never_sees_a_dev_sentence(phase):
    dev = {row[0] for name in DEMO_SIZES for row in rows(demo_task(name)[1])}
    for text in texts(Random(f"test {phase}"), 3000, phase):
        assert text.first not in dev and text.second not in dev
        assert not reserved(text.first) and not reserved(text.second)


def test_every_word_is_in_the_vocabulary_and_fits_the_model():
    vocab = vocabulary()
    assert len(vocab) == len(words()) + len(SPECIAL) and 450 <= len(vocab) <= 650
    for name in DEMO_SIZES:
        for split in demo_task(name):
            assert max(len(encode(vocab, *row)[0]) for row in rows(split)) <= 48


def test_acceptability_labels_agree_with_the_grammar():
    for split in demo_task("cola"):
        for sentence, label in zip(split["sentence"], split["label"]):
            assert grammatical(sentence) == bool(label), sentence


def test_statements_are_grammatical_and_every_fault_is_seen():
    rng = Random(7)
    for _ in range(500):
        clause = draw_clause(rng, copular=0.1, quantified=0.3)
        if clause.verb != "be" and rng.random() < 0.5:
            clause = elaborate(rng, clause)
        assert grammatical(say(clause, rng, 0.4))
        assert not grammatical(single_tasks.spoil(rng, clause, rng.choice(single_tasks.FAULTS)))
    assert not grammatical("the dog chase the cat") and grammatical("the dog chases the cat")
    assert not grammatical("the dogs which the king sees runs") and not grammatical("a old dog ran")
    assert len(tags()) > 300


def test_inference_labels_agree_with_the_meaning():
    rng = Random(11)
    for _ in range(500):
        clause = draw_clause(rng, copular=0.1, negated=0.3)
        assert entails(clause, weaken(rng, clause, 3))
        assert not entails(clause, contradict(rng, clause))
        assert not entails(clause, leave_open(rng, clause))


def test_similarity_falls_with_the_number_of_changes():
    draws = [pair_tasks.similarity(Random(i)) for i in range(400)]
    same = [y for one, two, y in draws if one == two]
    assert same and min(same) > 4.4
    assert 2.0 < sum(y for *_, y in draws) / len(draws) < 4.0


def test_micro_bert_is_complete_and_its_tokenizer_agrees():
    from transformers import AutoTokenizer

    folder = micro_bert_dir()
    log = json.loads((folder / "pretrain_log.json").read_text())
    assert log["step"] == log["steps"] and log["held_out"]["pairs"] > 0.8
    assert {p.suffix for p in folder.iterdir()} <= {".json", ".safetensors", ".md"}
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert len(tokenizer) == len(vocabulary())
    for row in rows(demo_task("mnli")[1])[:50] + rows(demo_task("sst2")[1])[:50]:
        out = tokenizer(*row)
        assert (out["input_ids"], out["token_type_ids"]) == encode(vocabulary(), *row)
