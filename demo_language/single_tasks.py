"""The demo's single-sentence tasks: acceptability (CoLA-like) and sentiment (SST-2-like)."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from .grammar import grammatical
from .language import draw_clause, draw_np, say
from .relations import elaborate
from .reviews import review

# each as often as it is drawn
FAULTS = ("agree", "agree", "number", "form", "bare", "bare", "order", "order", "by", "valence", "valence", "swap",
          "swap", "relative")


def acceptability(rng: Random) -> tuple[str, int]:
    """Return a statement and 1 when it is grammatical, 0 when one thing is wrong with it (about 35 %)."""
    clause = draw_clause(rng, copular=0.15, past=0.35, quantified=0.3, place=0.2, time=0.15)
    if rng.random() < 0.25 and clause.verb != "be":
        clause = elaborate(rng, clause)
    if rng.random() < 0.65:
        return say(clause, rng, 0.25), 1
    return spoil(rng, clause, rng.choice(FAULTS)), 0


def spoil(rng: Random, clause, fault: str) -> str:
    """Return `clause` said with `fault`; where that cannot show, another is drawn until the grammar objects."""
    while True:
        sentence = _spoiled(rng, clause, fault)
        if not grammatical(sentence):
            return sentence
        fault = rng.choice(FAULTS)


def _spoiled(rng: Random, clause, fault: str) -> str:
    if fault in ("number", "bare", "order"):
        part = rng.choice(("subject", "object") if clause.object else ("subject",))
        return say(clause, rng, 0.25, fault=(part, fault))
    if fault in ("agree", "form", "by"):
        return say(clause, rng, 0.9 if fault == "by" else 0.25, fault=("verb", fault))
    if fault == "valence":
        if clause.object:
            return say(replace(clause, object=None), rng)
        return say(replace(clause, object=draw_np(rng, ("person", "animal"), 0.1)), rng)
    words = say(clause, rng, 0.25).split()
    if fault == "relative":
        return " ".join({"who": "which", "which": "who"}.get(word, word) for word in words)
    place = rng.randrange(len(words) - 1)
    words[place], words[place + 1] = words[place + 1], words[place]
    return " ".join(words)


def sentiment(rng: Random) -> tuple[str, int]:
    """Return a review and 1 when its overall judgement is positive; negation and concession decide (see `reviews`)."""
    label = int(rng.random() < 0.52)
    return review(rng, 1 if label else -1, contrast=0.5, negated=0.35), label
