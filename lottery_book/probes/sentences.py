"""The sentences that are probed, and their probe labels: linguistic ones, and control labels of word types.

The sentences are statements of the demo language that no pre-training text and no train set holds; about half have a
relative clause, and the grammar says what holds for each word (`demo_language/sentences.py` drew and annotated them).
Their words are English, so other models can be probed with them too; or they come from a file of annotated text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lottery_utils.errors import UserError
from lottery_utils.training.device import derived_seed

from .tokens import PROBES, Token, read_conllu

DEEPEST = 4  # greater depths count as this one
TEST_SHARE = 1 / 3
SENTENCES = Path(__file__).with_name("sentences.parquet")  # one row per sentence


@dataclass(frozen=True)
class Questions:
    """What one probe asks: places (T,) in the words of all sentences end to end, labels (T,), which are of test
    sentences (T,), which are hard (T,), the words (T,), and the labels' names. `control` (T,) are control labels."""

    places: np.ndarray
    labels: np.ndarray
    control: np.ndarray
    test: np.ndarray
    hard: np.ndarray
    words: np.ndarray
    names: tuple[str, ...]


def annotated(text: str | None, count: int) -> list[list[Token]]:
    """The sentences that are probed: the grammar's first `count`, or all of a CoNLL-U file, see `read_conllu`."""
    if text is not None:
        return read_conllu(text)
    from pyarrow.parquet import read_table

    rows = read_table(SENTENCES, use_threads=False)["tokens"].slice(0, count).to_pylist()
    return [[Token(**token) for token in tokens] for tokens in rows]


def questions(parsed: list[list[Token]]) -> dict[str, Questions]:
    """The questions of each of `PROBES` about annotated sentences; the last third of the sentences is for testing.

    Raises UserError where the sentences hold nothing that a probe can ask about.
    """
    starts = np.concatenate([[0], np.cumsum([len(tokens) for tokens in parsed])])
    train = len(parsed) - round(len(parsed) * TEST_SHARE)
    found = {}
    for probe in PROBES:
        rows = [
            (starts[s] + i, label, s >= train, hard, tokens[i].word)
            for s, tokens in enumerate(parsed)
            for i, label, hard in asked(probe, tokens)
        ]
        if len({row[2] for row in rows}) < 2:
            raise UserError(f"probe {probe}: {len(rows)} words to ask about, not in both train and test sentences")
        places, labels, test, hard, words = (np.array(column) for column in zip(*rows))
        names = tuple(sorted(set(labels.tolist())))
        index = np.searchsorted(names, labels)
        control = control_labels(probe, words, np.bincount(index[~test], minlength=len(names)))
        found[probe] = Questions(places, index, control, test, hard, words, names)
    return found


def asked(probe: str, tokens: list[Token]) -> list[tuple[int, str, bool]]:
    """(place, label, hard) of the words of a sentence that a probe asks about.

    "part of speech" and "depth" ask about every word; "role" about agents and patients; "number" asks, at verbs whose
    form does not show it, for the number of the subject, and is hard where a noun of the other number stands between.
    """
    if probe == "part of speech":
        return [(i, token.part, False) for i, token in enumerate(tokens)]
    if probe == "depth":
        return [(i, str(min(token.depth, DEEPEST)), False) for i, token in enumerate(tokens)]
    if probe == "role":
        return [(i, token.role, False) for i, token in enumerate(tokens) if token.role]
    found = []
    for i, token in enumerate(tokens):
        if token.hidden_subject is not None:
            number = tokens[token.hidden_subject].number
            between = {other.number for other in tokens[token.hidden_subject + 1 : i]} - {"", number}
            found.append((i, number, bool(between)))
    return found


def control_labels(probe: str, words: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """A label (T,) for each word (T,) that depends on the word type only, drawn at random as often as `counts` say.

    The control task of Hewitt and Liang (2019, arXiv 1909.03368): whatever a probe gets right here it has learnt by
    heart, from the identity of words.
    """
    share = counts / counts.sum()
    label = {
        word: np.random.default_rng(derived_seed("probe control", probe, word)).choice(len(counts), p=share)
        for word in sorted(set(words.tolist()))
    }
    return np.array([label[word] for word in words.tolist()])
