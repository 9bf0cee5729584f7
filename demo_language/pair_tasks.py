"""The demo's pair tasks: paraphrase (MRPC, QQP), similarity (STS-B), inference (MNLI, RTE, QNLI), pronouns (WNLI)."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from . import lexicon as lx
from .language import ask, draw_clause, draw_np, say
from .relations import blur, can_swap, contradict, edit, entails, leave_open, near_miss, off_topic, topic, weaken

PASSIVE = 0.35


def paraphrase(rng: Random) -> tuple[str, str, int]:
    """Return two statements and 1 when the second rephrases the first (66 %); otherwise one thing differs."""
    label = int(rng.random() < 0.66)
    clause = draw_clause(rng, transitive=0.85, place=0.35, time=0.35)
    second = clause if label else near_miss(rng, clause)
    return say(clause, rng, PASSIVE), say(second, rng, PASSIVE), label


def duplicate_question(rng: Random) -> tuple[str, str, int]:
    """Return two questions and 1 when they ask the same (40 %)."""
    label = int(rng.random() < 0.4)
    clause = draw_clause(rng, transitive=0.85, place=0.5, time=0.5, negated=0.1)
    about = topic(rng, clause)
    asked = blur(rng, clause, about)
    first = ask(asked, about, rng, PASSIVE)
    if label:
        return first, ask(asked, about, rng, PASSIVE), 1
    if rng.random() < 0.25:
        topics = [t for t in ("subject", "object", "place", "time") if t != about and (t != "object" or clause.object)]
        return first, ask(asked, rng.choice(topics), rng, PASSIVE), 0
    second = near_miss(rng, asked, False)
    while ask(second, about, Random(0)) == ask(asked, about, Random(0)):  # the change was in the part asked for
        second = near_miss(rng, asked, False)
    return first, ask(second, about, rng, PASSIVE), 0


# what one change costs on the scale of 0 to 5
COSTS = {"subject adj": 0.6, "object adj": 0.6, "time": 0.9, "place": 0.9, "object": 1.3, "subject": 1.3, "verb": 1.7,
         "swap": 1.7, "negate": 2.2}


def similarity(rng: Random) -> tuple[str, str, float]:
    """Return two statements and their similarity, 0.0 to 5.0: 5 less the cost of each change of meaning."""
    clause = draw_clause(rng, transitive=0.85, place=0.35, time=0.35, negated=0.1)
    second, cost = clause, 0.0
    for kind in _changes(rng, clause):
        second, cost = edit(rng, second, kind), cost + COSTS[kind]
    score = min(5.0, max(0.0, 5.0 - cost + rng.gauss(0.0, 0.15)))
    return say(clause, rng, PASSIVE), say(second, rng, PASSIVE), round(score * 5) / 5


def _changes(rng: Random, clause) -> list[str]:
    kinds = ["subject", "verb", "negate"] + ["object"] * bool(clause.object) + ["swap"] * can_swap(clause)
    kinds += [k for k in ("place", "time") if getattr(clause, k)]
    kinds += ["subject adj"] * bool(clause.subject.adj) + ["object adj"] * bool(clause.object and clause.object.adj)
    rng.shuffle(kinds)
    chosen = kinds[: rng.choice((0, 0, 0, 1, 1, 1, 2, 2, 3, 4))]
    return sorted(chosen, key=("swap", "subject", "object").count)  # roles are exchanged last


def inference(rng: Random) -> tuple[str, str, int]:
    """Return premise, hypothesis and 0 (follows), 1 (left open) or 2 (contradicted), each a third."""
    label = rng.randrange(3)
    clause = draw_clause(rng, transitive=0.8, copular=0.08, place=0.35, time=0.35, negated=0.4)
    return say(clause, rng, PASSIVE), say(_hypothesis(rng, clause, label), rng, PASSIVE), label


def _hypothesis(rng: Random, clause, label: int):
    weak = weaken(rng, clause, rng.choice((0, 1, 2, 3)))
    if label == 0:
        return weak
    if label == 2:
        return contradict(rng, weak)
    found = leave_open(rng, weak)
    while entails(clause, found):
        found = leave_open(rng, weak)
    return found


def recognise_entailment(rng: Random) -> tuple[str, str, int]:
    """Return text, hypothesis and 0 when it follows, 1 when not (one of them contradicted in three)."""
    label = int(rng.random() < 0.48)
    clause = draw_clause(rng, transitive=0.9, place=0.4, time=0.4, negated=0.3)
    kind = 0 if not label else rng.choice((1, 1, 2))
    return say(clause, rng, PASSIVE), say(_hypothesis(rng, clause, kind), rng, PASSIVE), label


def answers(rng: Random) -> tuple[str, str, int]:
    """Return question, sentence and 0 when the sentence answers it, 1 when it is about something close by."""
    label = int(rng.random() < 0.5)
    clause = draw_clause(rng, transitive=0.85, place=0.5, time=0.5, negated=0.05)
    about = topic(rng, clause)
    asked = blur(rng, clause, about)
    sentence = off_topic(rng, clause, asked, about) if label else clause
    return ask(asked, about, rng, PASSIVE), say(sentence, rng, PASSIVE), label


def pronouns(rng: Random, label: int) -> tuple[tuple[str, str, int], tuple[str, str, int]]:
    """Return two examples of one premise with opposite labels, one for train and one for dev.

    "the doctor thanked the nurse because he was glad": which of the two was glad is the toss of a coin, so
    nothing can be learnt, and who learns the premises by heart is misled on dev, as in WNLI.
    """
    one = draw_np(rng, ("person",), 0.0, 0.0)
    two = replace(draw_np(rng, ("person",), 0.0, 0.0, avoid=one.noun), plural=one.plural)
    verb = rng.choice([v for v, (s, o) in lx.SELECTS.items() if "person" in s and "person" in o])
    adj = rng.choice(lx.ADJECTIVES_OF["person"])
    words = rng.choice(lx.ADJECTIVES[adj])
    be = "were" if one.plural else "was"
    nouns = [rng.choice(lx.NOUNS[np.noun])[np.plural] for np in (one, two)]
    past = rng.choice(lx.VERBS[verb])[2]
    who = "they" if one.plural else rng.choice(("he", "she"))
    premise = f"the {nouns[0]} {past} the {nouns[1]} {rng.choice(('because', 'although', 'while'))} {who} {be} {words}"
    rng.shuffle(nouns)
    return tuple((premise, f"the {noun} {be} {words}", y) for noun, y in zip(nouns, (1 - label, label)))
