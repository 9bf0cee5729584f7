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


class Text(NamedTuple):
    """One or two sentences; `follows` is 1 or 0 for the next-sentence objective, -1 for masked-language rows."""

    first: str
    second: str
    follows: int
    kind: str


def texts(rng: Random, count: int, short: bool = False, held_out: bool = False) -> list[Text]:
    """Draw `count` texts, half for each objective. `short` draws shorter sentences, for the first steps;
    `held_out` draws texts whose first sentence is reserved, which training never sees."""
    found = []
    while len(found) < count:
        text = _next(rng, short) if len(found) % 2 else _masked(rng, short)
        if reserved(text.first) if held_out else not (reserved(text.first) or reserved(text.second)):
            found.append(text)
    return found


def _clause(rng: Random, short: bool):
    if short:
        return draw_clause(rng, transitive=0.5, copular=0.1, adj=0.1, place=0.15, time=0.15)
    return draw_clause(rng, copular=0.1)


def _kind(rng: Random, table: dict[str, int]) -> str:
    return rng.choices(list(table), list(table.values()))[0]


def _voice(short: bool) -> float:
    return 0.1 if short else 0.35


def _masked(rng: Random, short: bool) -> Text:
    kind = _kind(rng, MLM_KINDS)
    polarity = rng.choice((1, -1))
    if kind == "review":
        return Text(review(rng, polarity), "", -1, kind)
    if kind == "verdict":
        return Text(review(rng, polarity), verdict(rng, polarity), -1, kind)
    clause, passive = _clause(rng, short), _voice(short)
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
        return Text(question, say(clause if match else off_topic(rng, clause, asked, about), rng, passive), follows, kind)
    if not match and rng.random() < 0.25:
        return Text(question, ask(asked, _other_topic(rng, about, clause), rng, passive), follows, kind)
    return Text(question, ask(asked if match else near_miss(rng, asked, False), about, rng, passive), follows, kind)


def _other_topic(rng: Random, about: str, clause) -> str:
    topics = ["subject", "place", "time"] + ["object"] * (clause.object is not None)
    topics.remove(about)
    return rng.choice(topics)


def _next(rng: Random, short: bool) -> Text:
    kind, match = _kind(rng, NEXT_KINDS), rng.random() < 0.5
    if kind == "verdict":
        polarity = rng.choice((1, -1))
        return Text(review(rng, polarity), verdict(rng, polarity if match else -polarity), int(match), kind)
    clause, passive = _clause(rng, short), _voice(short)
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
