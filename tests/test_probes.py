"""Annotations of the grammar, questions, control labels, and a probe that finds what is there and nothing else."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from tiny import tiny_model

from demo_language.annotation import annotate
from demo_language.language import draw_clause, reserved, say
from demo_language.relations import elaborate
from lottery_book.probes import linear, sentences
from lottery_book.probes import stage as states
from lottery_book.probes.tokens import PROBES, ROOT, read_conllu, text_print
from lottery_utils.errors import UserError
from lottery_utils.models.compact import compact
from lottery_utils.models.load import load_tokenizer
from lottery_utils.training.batches import Encoded


@pytest.fixture(scope="module")
def stored():
    return sentences.annotated(None, 400)


@pytest.fixture(scope="module")
def asked(stored):
    return sentences.questions(stored)


# annotations


def test_a_sentence_with_a_relative_clause_in_the_passive():
    tokens = annotate("in the park , the brave dogs were chased by a fox which the boy found today")
    by_word = {token.word: token for token in tokens}
    words = [token.word for token in tokens]
    head = {token.word: words[token.head] if token.head != ROOT else "" for token in tokens}
    assert head["chased"] == "" and head["dogs"] == head["fox"] == head["park"] == head["today"] == "chased"
    assert head["brave"] == "dogs" and head["by"] == "fox" and head["found"] == "fox" and head["boy"] == "found"
    assert by_word["dogs"].role == "patient" and by_word["fox"].role == "agent" and by_word["boy"].role == "agent"
    assert (by_word["dogs"].number, by_word["fox"].number, by_word["park"].number) == ("plural", "singular", "")
    assert by_word["chased"].hidden_subject is None, "the auxiliary shows the number"
    assert words[by_word["found"].hidden_subject] == "boy"
    assert [by_word[w].depth for w in ("chased", "fox", "found", "which", "boy")] == [0, 1, 2, 3, 3]


def test_every_drawn_statement_is_read_and_agrees_with_its_meaning():
    rng = Random(5)
    for _ in range(600):
        clause = draw_clause(rng, copular=0.15)
        clause = elaborate(rng, clause) if clause.verb != "be" and rng.random() < 0.5 else clause
        tokens = annotate(say(clause, rng, 0.3))
        root = next(i for i, token in enumerate(tokens) if token.head == ROOT)
        core = [t for t in tokens if t.head == root and t.number]
        parts = [clause.subject] + ([clause.object] if clause.object else [])
        assert sorted(t.number == "plural" for t in core) == sorted(np_.plural for np_ in parts)
        if clause.object:
            roles = {t.role: t.number == "plural" for t in core}
            assert roles == {"agent": clause.subject.plural, "patient": clause.object.plural}
        assert sum(t.head == ROOT for t in tokens) == 1 and max(t.depth for t in tokens) <= 5
        if tokens[root].hidden_subject is not None:
            assert (tokens[tokens[root].hidden_subject].number == "plural") == clause.subject.plural


@pytest.mark.parametrize("text", ["", "the dog", "the dog the cat", "did the dog run ?", "the dog chased", "a xyz ran"])
def test_what_is_no_statement_is_refused(text):
    if text == "the dog chased":  # the grammar decides about valence, the reader about order
        assert annotate(text)[2].head == ROOT
        return
    with pytest.raises(ValueError, match="not a statement"):
        annotate(text)


# questions


def test_probe_sentences_are_reserved_and_test_sentences_are_others(stored, asked):
    texts = {" ".join(token.word for token in tokens) for tokens in stored}
    assert len(texts) == 400 and all(map(reserved, texts))
    assert stored[:50] == sentences.annotated(None, 50)
    for probe in PROBES:
        one = asked[probe]
        assert (np.diff(one.test.astype(int)) >= 0).all() and 0.2 < one.test.mean() < 0.5
        assert len(one.labels) == len(one.control) == len(one.places) and one.labels.max() < len(one.names)
    assert asked["number"].hard.any() and not asked["role"].hard.any()


def test_the_number_is_not_to_be_seen_at_the_word(asked):
    one = asked["number"]
    for word in set(one.words.tolist()):
        labels = one.labels[one.words == word]
        assert len(set(labels.tolist())) == 2 or len(labels) < 12, word


def test_control_labels_are_random_but_fixed_for_each_word(asked):
    for probe in PROBES:
        one = asked[probe]
        label = dict(zip(one.words.tolist(), one.control.tolist()))
        assert one.control.tolist() == [label[word] for word in one.words.tolist()]
        again = sentences.control_labels(probe, one.words[::-1], np.bincount(one.labels[~one.test]))
        assert again[::-1].tolist() == one.control.tolist(), "the same in any order"
    words = np.array([f"w{i}" for i in range(3000)])
    drawn = sentences.control_labels("depth", words, np.array([10, 30, 0, 60]))
    assert np.allclose(np.bincount(drawn, minlength=4) / 3000, [0.1, 0.3, 0, 0.6], atol=0.04)
    assert (drawn != sentences.control_labels("role", words, np.array([10, 30, 0, 60]))).any()


# the probe


def planted(asked, signal: float, seed: int = 0, width: int = 24) -> np.ndarray:
    """Random states (2, words, width): in the second layer the label moves them along a direction of its class."""
    rng = np.random.default_rng(seed)
    one = asked["number"]
    found = rng.normal(size=(2, one.places.max() + 1, width))
    found[1, one.places] += signal * rng.normal(size=(len(one.names), width))[one.labels]
    return found.astype(np.float32)


def test_a_planted_signal_is_found_where_it_is(asked):
    (own, control), hard = linear.accuracies(planted(asked, 3.0), asked["number"])
    assert own[1] > 0.97 and hard[1] > 0.9
    majority, _ = linear.floors(asked["number"])
    assert own[0] < majority[0] + 0.1 and control[1] < majority[1] + 0.1


def test_random_states_have_no_selectivity(asked):
    found = [linear.accuracies(planted(asked, 0.0, seed), asked["number"])[0] for seed in range(6)]
    difference = np.mean([own - control for own, control in found])
    majority = linear.floors(asked["number"])[0]
    assert abs(difference - (majority[0] - majority[1])) < 0.08


def test_states_that_only_name_the_word_solve_the_control_task_and_the_words_own_label(asked):
    """One-hot words: the probe then does what `floors` does by counting."""
    one = asked["part of speech"]
    names = sorted(set(one.words.tolist()))
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(names), 400))
    state = vectors[np.searchsorted(names, one.words)][None]
    at = one.places
    whole = np.zeros((1, at.max() + 1, 400))
    whole[0, at] = state[0]
    (own, control), _ = linear.accuracies(whole, one)
    _, by_word = linear.floors(one)
    assert by_word[0] > 0.97 and own[0] > 0.9 and control[0] > 0.6 * by_word[1]


def test_the_probe_is_discriminant_analysis():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 300)
    x = rng.normal(size=(300, 5)) + np.eye(3, 5)[labels] * 2
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x, labels).predict(x)
    z = linear.standardised(x, np.ones(300, bool))
    for classes in (3, 5):  # two classes do not occur
        weights, bias = linear.fit(z, z.T @ z, labels, classes)
        assert ((z @ weights + bias).argmax(axis=1) == theirs).mean() > 0.98
        assert np.isfinite(weights).all() and np.isfinite(bias).sum() == 3
    constant = linear.standardised(np.ones((10, 3)), np.ones(10, bool))
    assert (
        not constant.any() and np.isfinite(linear.fit(constant, constant.T @ constant, np.arange(10) % 2, 2)[0]).all()
    )


# states


def test_states_are_those_of_the_words_in_any_batch_whole_and_compact():
    rng = np.random.default_rng(0)
    lengths = [5, 9, 7]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids = rng.integers(5, 50, starts[-1]).astype(np.int32)
    encoded = Encoded(ids, np.empty(0, np.int32), starts, np.zeros(3, np.int64), 0)
    places = np.array([1, 4, 6, 13, 14, 20])
    whole = tiny_model("bert")
    cut = compact(whole, np.array([[True] * 4, [False] * 4, [True, False, True, True]]), np.array([True, False, True]))
    for model in (whole, cut):
        found = states.word_states(model, encoded, places)
        assert found.shape == (4, 6, 32)
        with torch.no_grad():
            one = torch.from_numpy(ids[5:14].astype(np.int64))[None]
            alone = model.base_model(one, output_hidden_states=True).hidden_states
        for layer in range(4):
            assert np.allclose(found[layer, 2], alone[layer][0, 1], atol=1e-5)
            assert np.allclose(found[layer, 3], alone[layer][0, 8], atol=1e-5)


def test_words_are_found_at_their_first_pieces():
    encoded, places = states.encode_words(load_tokenizer("embedded"), ["the dog ran", "every old cat slept today"])
    assert places.tolist() == [1, 2, 3, 6, 7, 8, 9, 10]
    assert len(encoded) == 2 and encoded.lengths.tolist() == [5, 7]


# annotated text from files

LINE = "{}\t{}\t_\t{}\t_\t{}\t{}\t{}\t_\t_"


def conllu(path, *sentences):
    """A CoNLL-U file of sentences, each rows of (word, part, features, head, relation)."""
    blocks = ["\n".join(LINE.format(i, *row) for i, row in enumerate(rows, 1)) for rows in sentences]
    path.write_text("# newdoc\n" + "\n\n".join(blocks), encoding="utf-8")
    return str(path)


KEYS = [
    ("The", "DET", "_", 2, "det"),
    ("keys", "NOUN", "Number=Plur", 5, "nsubj"),
    ("near", "ADP", "_", 4, "case"),
    ("Rome", "PROPN", "Number=Sing", 2, "nmod"),
    ("opened", "VERB", "Mood=Ind|Tense=Past|VerbForm=Fin", 0, "root"),
    ("doors", "NOUN", "Number=Plur", 5, "obj"),
]


def test_a_conllu_sentence_is_read_as_the_grammar_annotates(tmp_path):
    (tokens,) = read_conllu(conllu(tmp_path / "a.conllu", KEYS))
    assert [t.word for t in tokens] == ["The", "keys", "near", "Rome", "opened", "doors"]
    assert [t.depth for t in tokens] == [2, 1, 3, 2, 0, 1] and tokens[4].head == ROOT
    assert [t.role for t in tokens] == ["", "agent", "", "", "", "patient"] and tokens[4].hidden_subject == 1
    assert sentences.asked("number", tokens) == [(4, "plural", True)], "Rome stands between"
    more = [("don't", "_", "_", "_", "_"), *KEYS]
    text = conllu(tmp_path / "b.conllu", more)
    lines = (tmp_path / "b.conllu").read_text().splitlines()
    lines[1] = lines[1].replace("1\t", "1-2\t", 1)
    lines[2:] = [f"{i}\t{line.partition(chr(9))[2]}" for i, line in enumerate(lines[2:], 1)]
    (tmp_path / "b.conllu").write_text("\n".join(lines))
    assert read_conllu(text) == [tokens], "a range of words is no word"


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([("a", "DET", "_", 1, "det")], "no tree with one root"),
        ([("a", "DET", "_", 2, "det"), ("b", "NOUN", "_", 1, "root")], "no tree with one root"),
        ([("a", "DET", "_", "x", "det")], "line 2 of .* expected word 1 and its head, a number"),
        ([("a\tb", "DET", "_", 0, "root")], "line 2 of .* has 11 columns, expected 10"),
        ([("new york", "PROPN", "_", 0, "root")], "holds no annotated sentence"),
    ],
)
def test_what_is_no_conllu_is_one_line(tmp_path, rows, error):
    with pytest.raises(UserError, match=error):
        read_conllu(conllu(tmp_path / "a.conllu", rows))


def test_a_missing_file_and_one_with_nothing_to_ask_are_one_line(tmp_path):
    with pytest.raises(UserError, match="a CoNLL-U file or .english.: .*none.conllu is not there"):
        text_print(str(tmp_path / "none.conllu"))
    with pytest.raises(UserError, match="probe number: 0 words to ask about"):
        sentences.questions(sentences.annotated(conllu(tmp_path / "a.conllu", *[PLAIN] * 6), 0))


PLAIN = [("Dogs", "NOUN", "Number=Plur", 2, "nsubj"), ("bark", "VERB", "Tense=Pres|VerbForm=Fin", 0, "root")]


def test_the_package_s_own_english_asks_every_probe():
    parsed = sentences.annotated("english", 0)
    assert len(parsed) == 102 and len({tuple(t.word for t in own) for own in parsed}) == 102
    asked = sentences.questions(parsed)
    assert {probe: one.names for probe, one in asked.items()}["role"] == ("agent", "patient")
    assert asked["number"].names == ("plural", "singular") and asked["number"].hard.sum() > 15
    for own in parsed:
        assert sum(token.head == ROOT for token in own) == 1
        for i, token in enumerate(own):
            if token.part in ("det", "adj", "num"):
                assert token.head > i, "before its noun"
            if token.hidden_subject is not None:
                assert token.part == "verb" and own[token.hidden_subject].head == i
    encoded, places = states.encode_words(load_tokenizer("embedded"), [" ".join(t.word for t in own) for own in parsed])
    assert len(places) == sum(map(len, parsed)) and (np.diff(places) > 0).all() and len(encoded) == 102
