"""Texts the micro-BERT is pre-trained on: single sentences, pairs that belong together, and near misses.

Honest about what it is: the pair objective ("does the second text follow?") is close to the labels of the
demo's pair tasks. Its positives are rephrasings, consequences, answers and closing verdicts; its negatives
change one thing that matters. Masked-language rows also hold pairs joined by a discourse word ("indeed",
"also", "however"), which real text offers too and which correlate with inference labels. No text has a sentence
that `reserved` keeps for dev sets.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from .language import ask, draw_clause, reserved, say
from .relations import blur, contradict, elaborate, entails, leave_open, near_miss, off_topic, topic, weaken
from .reviews import review, verdict

MLM_KINDS = {"single": 15, "review": 7, "verdict": 10, "paraphrase": 24, "indeed": 10, "however": 10, "also": 8,
             "answer": 12, "questions": 6}
NEXT_KINDS = {"paraphrase": 34, "follows": 16, "answer": 20, "questions": 16, "verdict": 8, "copy": 6}
LATE_MLM_KINDS = {"single": 30, "verdict": 34, "paraphrase": 12, "indeed": 6, "however": 6, "also": 4, "answer": 5,
                  "questions": 3}
LATE_NEXT_KINDS = {"paraphrase": 26, "follows": 16, "answer": 14, "questions": 12, "verdict": 28, "copy": 4}
KINDS = {"short": (MLM_KINDS, NEXT_KINDS), "main": (MLM_KINDS, NEXT_KINDS), "late": (LATE_MLM_KINDS, LATE_NEXT_KINDS)}


class Text(NamedTuple):
    """One or two sentences; `follows` is 1 or 0 for the next-sentence objective, -1 for masked-language rows."""

    first: str
    second: str
    follows: int
    kind: str


def texts(
    rng: Random, count: int, phase: str = "main", held_out: bool = False, masked_only: bool = False
) -> list[Text]:
    """Draw `count` texts, half for each objective, or with `masked_only` all for masked words.

    `phase` "short" draws shorter sentences, for the first steps; "late" more reviews, most of
    them plain and with longer verdicts, and more single sentences, with more present tense: from the main mix
    the sentiment of words was not learnt.
    `held_out` draws texts whose first sentence is reserved, which training never sees.
    """
    found = []
    while len(found) < count:
        text = _next(rng, phase) if len(found) % 2 and not masked_only else _masked(rng, phase)
        if reserved(text.first) if held_out else not (reserved(text.first) or reserved(text.second)):
            found.append(text)
    return found


def _clause(rng: Random, phase: str, kind: str):
    if phase == "late" and kind == "single":
        return draw_clause(rng, copular=0.1, past=0.4, quantified=0.3)
    if phase == "short":
        return draw_clause(rng, transitive=0.5, copular=0.1, adj=0.1, place=0.15, time=0.15)
    return draw_clause(rng, copular=0.1)


def _kind(rng: Random, table: dict[str, int]) -> str:
    return rng.choices(list(table), list(table.values()))[0]


def _voice(phase: str) -> float:
    return 0.1 if phase == "short" else 0.35


def _review(rng: Random, polarity: int, phase: str) -> str:
    if phase != "late":
        return review(rng, polarity)
    plain = rng.random() < 0.6
    return review(rng, polarity, 0.0, 0.0) if plain else review(rng, polarity, contrast=0.35, negated=0.3)


def _verdict(rng: Random, polarity: int, phase: str) -> str:
    return verdict(rng, polarity, 2 if phase == "late" else 1)


def _masked(rng: Random, phase: str) -> Text:
    kind = _kind(rng, KINDS[phase][0])
    polarity = rng.choice((1, -1))
    if kind == "review":
        return Text(_review(rng, polarity, phase), "", -1, kind)
    if kind == "verdict":
        return Text(_review(rng, polarity, phase), _verdict(rng, polarity, phase), -1, kind)
    clause, passive = _clause(rng, phase, kind), _voice(phase)
    if kind == "single":
        return Text(say(elaborate(rng, clause) if rng.random() < 0.6 else clause, rng, passive), "", -1, kind)
    first = say(clause, rng, passive)
    if kind == "paraphrase":
        return Text(first, say(clause, rng, passive), -1, kind)
    if kind in ("answer", "questions"):
        return _questions(rng, clause, kind, passive, True, -1)
    related = {"indeed": weaken, "however": contradict, "also": leave_open}[kind](rng, clause)
    return Text(first, kind + " " + say(related, rng, passive), -1, kind)


def _questions(rng: Random, clause, kind: str, passive: float, match: bool, follows: int) -> Text:
    about = topic(rng, clause)
    asked = blur(rng, clause, about)
    question = ask(asked, about, rng, passive)
    if kind == "answer":
        sentence = clause if match else off_topic(rng, clause, asked, about)
        return Text(question, say(sentence, rng, passive), follows, kind)
    if not match and rng.random() < 0.25:
        return Text(question, ask(asked, _other_topic(rng, about, clause), rng, passive), follows, kind)
    return Text(question, ask(asked if match else near_miss(rng, asked, False), about, rng, passive), follows, kind)


def _other_topic(rng: Random, about: str, clause) -> str:
    topics = ["subject", "place", "time"] + ["object"] * (clause.object is not None)
    topics.remove(about)
    return rng.choice(topics)


def _next(rng: Random, phase: str) -> Text:
    kind, match = _kind(rng, KINDS[phase][1]), rng.random() < 0.5
    if kind == "verdict":
        polarity = rng.choice((1, -1))
        first = _review(rng, polarity, phase)
        closing = _verdict(rng, polarity if match else -polarity, phase)
        return Text(first, closing, int(match), kind)
    clause, passive = _clause(rng, phase, kind), _voice(phase)
    if kind in ("answer", "questions"):
        return _questions(rng, clause, kind, passive, match, int(match))
    if kind == "copy":
        passive = 0.0
    second = clause
    if kind == "follows":
        second = weaken(rng, clause, rng.choice((1, 2, 3)))
        if not match:
            second = near_miss(rng, second)
            while entails(clause, second):
                second = near_miss(rng, second)
    elif not match:
        second = near_miss(rng, clause)
    return Text(say(clause, rng, passive), say(second, rng, passive), int(match), kind)
