"""Clauses of the demo language: what they mean (`Clause`), how one is drawn, how it is said, and whether
a word string is grammatical. Every draw takes an explicit ``random.Random``."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from random import Random

from . import lexicon as lx


@dataclass(frozen=True)
class NP:
    """A noun phrase: `noun` is a concept, `det` a determiner, `adj` an adjective concept or "", `rel` a clause."""

    noun: str
    plural: bool
    det: str = "the"
    adj: str = ""
    rel: Clause | None = None


@dataclass(frozen=True)
class Clause:
    """A statement; `verb` is a concept ("be" takes `adj` as predicate), `object` may be None, `place` and `time` ""."""

    subject: NP
    verb: str
    object: NP | None = None
    adj: str = ""
    negated: bool = False
    past: bool = True
    place: str = ""
    time: str = ""


def draw_np(rng: Random, kinds: tuple[str, ...], adj: float = 0.3, quantified: float = 0.15, avoid: str = "") -> NP:
    """Draw a noun phrase of one of `kinds` (persons and animals come up most) whose noun is not `avoid`."""
    kind = rng.choice(kinds)
    noun = rng.choice(lx.OF_KIND[kind])
    while noun == avoid:
        noun = rng.choice(lx.OF_KIND[kind])
    plural = rng.random() < 0.4
    det = "the"
    if rng.random() < quantified:
        det = rng.choice(lx.PLURAL if plural else lx.SINGULAR)
    return NP(noun, plural, det, rng.choice(lx.ADJECTIVES_OF[kind]) if rng.random() < adj else "")


def draw_clause(
    rng: Random,
    transitive: float = 0.75,
    copular: float = 0.0,
    adj: float = 0.3,
    place: float = 0.35,
    time: float = 0.35,
    negated: float = 0.15,
    past: float = 0.7,
    quantified: float = 0.15,
) -> Clause:
    """Draw a clause; each share is the probability of that part."""
    draw = rng.random()
    obj, predicate = None, ""
    if draw < copular:
        verb = "be"
        kind = rng.choice(lx.HYPERNYMS)
        subject = draw_np(rng, (kind,), 0.0, quantified)
        predicate = rng.choice(lx.ADJECTIVES_OF[kind])
    elif draw < copular + transitive * (1 - copular):
        verb = rng.choice(_TRANSITIVES)
        subjects, objects = lx.SELECTS[verb]
        subject = draw_np(rng, subjects, adj, quantified)
        obj = draw_np(rng, objects, adj, quantified, avoid=subject.noun)
    else:
        verb = rng.choice(_INTRANSITIVES)
        subject = draw_np(rng, ("person", "animal"), adj, quantified)
    return Clause(
        subject, verb, obj, predicate, rng.random() < negated, rng.random() < past,
        rng.choice(_PLACES) if rng.random() < place else "", rng.choice(_TIMES) if rng.random() < time else "",
    )


def say_np(np: NP, rng: Random, fault: str = "") -> list[str]:
    """Return the words of `np`; `fault` "number" breaks determiner-noun agreement, "bare" drops the determiner."""
    plural = np.plural != (fault == "number")
    words = [rng.choice(lx.NOUNS[np.noun])[plural]]
    if np.adj:
        words.insert(0, rng.choice(lx.ADJECTIVES[np.adj]))
        if fault == "order":
            words.reverse()
    if fault != "bare":
        words.insert(0, "an" if np.det == "a" and words[0][0] in "aeiou" else np.det)
    if np.rel:
        words += ["who" if lx.KIND[np.noun] == "person" else "which", *say_relative(np, np.rel, rng)]
    return words


def say_relative(head: NP, clause: Clause, rng: Random) -> list[str]:
    """Return a relative clause whose gap is the subject (when it equals `head` less the clause) or the object."""
    gap_subject = clause.subject.noun == head.noun
    core = say_verb(clause, clause.subject.plural, rng)
    if gap_subject:
        return core + (say_np(clause.object, rng) if clause.object else [])
    return say_np(clause.subject, rng) + core


def say_verb(clause: Clause, plural: bool, rng: Random, fault: str = "") -> list[str]:
    """Return auxiliary, negation and verb for a subject of the given number; `fault` is "agree" or "form"."""
    if clause.verb == "be":
        return [_be(plural, clause.past), *(["not"] if clause.negated else [])]
    base, third, past = rng.choice(lx.VERBS[clause.verb])
    number = plural != (fault == "agree")
    if clause.negated:
        return ["did" if clause.past else _do(number), "not", third if fault == "form" else base]
    return [past] if clause.past else [base if number else third]


def say_phrase(table: dict, concept: str, rng: Random) -> list[str]:
    """Return a place or time phrase."""
    phrase = rng.choice(table[concept])
    return [phrase[0], "the", phrase[1]] if table is lx.PLACES else list(phrase)


def say(
    clause: Clause, rng: Random, passive: float = 0.0, front: float = 0.2, fault: tuple[str, str] = ("", "")
) -> str:
    """Return a sentence for `clause`: synonyms at random, passive voice and fronting with the given shares.

    `fault` (where, what) makes it ungrammatical: ("subject" or "object", a fault of `say_np`) or ("verb", ...).
    """
    where, what = fault
    subject = say_np(clause.subject, rng, what if where == "subject" else "")
    obj = say_np(clause.object, rng, what if where == "object" else "") if clause.object else []
    if obj and rng.random() < passive:
        plural = clause.object.plural
        agree = plural != (fault == ("verb", "agree"))
        core = [*obj, _be(agree, clause.past), *(["not"] if clause.negated else []), _past(clause.verb, rng)]
        core += [*([] if fault == ("verb", "by") else ["by"]), *subject]
    else:
        core = subject + say_verb(clause, clause.subject.plural, rng, what if where == "verb" else "")
        if clause.verb == "be" and fault == ("verb", "agree"):
            core[len(subject)] = _be(not clause.subject.plural, clause.past)
        core += obj + ([rng.choice(lx.ADJECTIVES[clause.adj])] if clause.adj else [])
    tail = []
    fronted = rng.random() < front
    for table, concept in ((lx.PLACES, clause.place), (lx.TIMES, clause.time)):
        if concept:
            phrase = say_phrase(table, concept, rng)
            if fronted:
                core = [*phrase, ",", *core]
                fronted = False
            else:
                tail += phrase
    return " ".join(core + tail)


def ask(clause: Clause, about: str, rng: Random, passive: float = 0.3) -> str:
    """Return a question `about` "subject", "object", "place", "time" or "truth" of `clause`."""
    if about == "subject":
        core = _which(clause.subject, rng)
        if clause.object and rng.random() < passive:
            core = ["by", *core, _be(clause.object.plural, clause.past), *say_np(clause.object, rng),
                    *(["not"] if clause.negated else []), _past(clause.verb, rng)]
        else:
            core += say_verb(clause, False, rng) + (say_np(clause.object, rng) if clause.object else [])
            core += [rng.choice(lx.ADJECTIVES[clause.adj])] if clause.adj else []
    elif about == "object" and rng.random() < passive:
        core = [*_which(clause.object, rng), _be(False, clause.past), *(["not"] if clause.negated else [])]
        core += [_past(clause.verb, rng), "by", *say_np(clause.subject, rng)]
    else:
        obj = [] if about == "object" or not clause.object else say_np(clause.object, rng)
        if obj and rng.random() < passive:
            core = [_be(clause.object.plural, clause.past), *obj, *(["not"] if clause.negated else [])]
            core += [_past(clause.verb, rng), "by", *say_np(clause.subject, rng)]
        elif clause.verb == "be":
            core = [_be(clause.subject.plural, clause.past), *say_np(clause.subject, rng)]
            core += [*(["not"] if clause.negated else []), rng.choice(lx.ADJECTIVES[clause.adj])]
        else:
            core = ["did" if clause.past else _do(clause.subject.plural), *say_np(clause.subject, rng)]
            core += [*(["not"] if clause.negated else []), rng.choice(lx.VERBS[clause.verb])[0], *obj]
        opening = {"object": None, "place": ("where", "in which place"), "time": ("when", "at which time")}.get(about)
        if about == "object":
            core = [*_which(clause.object, rng), *core]
        elif opening:
            core = [*rng.choice(opening).split(), *core]
    for table, concept, kind in ((lx.PLACES, clause.place, "place"), (lx.TIMES, clause.time, "time")):
        if concept and kind != about:
            core += say_phrase(table, concept, rng)
    return " ".join([*core, "?"])


def reserved(text: str) -> bool:
    """True for the fifth of all texts kept for dev sets: never pre-trained on and never in a train set."""
    return zlib.crc32(text.encode()) % 5 == 0


def _which(np: NP, rng: Random) -> list[str]:
    kind = lx.KIND[np.noun]
    return ["which", kind] if rng.random() < 0.4 else ["who" if kind == "person" else "what"]


def _be(plural: bool, past: bool) -> str:
    return ("was", "were")[plural] if past else ("is", "are")[plural]


def _do(plural: bool) -> str:
    return "do" if plural else "does"


def _past(verb: str, rng: Random) -> str:
    return rng.choice(lx.VERBS[verb])[2]


_TRANSITIVES = list(lx.TRANSITIVE)
_INTRANSITIVES = list(lx.INTRANSITIVE)
_PLACES = list(lx.PLACES)
_TIMES = list(lx.TIMES)
