"""How two clauses relate: near misses, what follows from a clause, what contradicts it, what it leaves open."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from . import lexicon as lx
from .language import NP, Clause, draw_np

_PLACES, _TIMES = list(lx.PLACES), list(lx.TIMES)


def other(rng: Random, items: list[str], current: str) -> str:
    """Return an item that is not `current`."""
    choice = rng.choice(items)
    while choice == current:
        choice = rng.choice(items)
    return choice


def can_swap(clause: Clause) -> bool:
    """True when subject and object may exchange roles."""
    if clause.object is None:
        return False
    subjects, objects = lx.SELECTS[clause.verb]
    swapped_ok = lx.KIND[clause.object.noun] in subjects and lx.KIND[clause.subject.noun] in objects
    return swapped_ok and (clause.object.noun, clause.object.plural) != (clause.subject.noun, clause.subject.plural)


def swap_roles(clause: Clause) -> Clause:
    """Exchange subject and object."""
    return replace(clause, subject=clause.object, object=clause.subject)


def change_noun(rng: Random, np: NP) -> NP:
    """Replace the noun by another of its kind."""
    return replace(np, noun=other(rng, lx.OF_KIND[lx.KIND[np.noun]], np.noun))


def change_verb(rng: Random, clause: Clause) -> Clause:
    """Replace the verb by another that fits the same subject and object."""
    if clause.object is None:
        return replace(clause, verb=other(rng, list(lx.INTRANSITIVE), clause.verb))
    subject, obj = lx.KIND[clause.subject.noun], lx.KIND[clause.object.noun]
    fits = [v for v, (s, o) in lx.SELECTS.items() if subject in s and obj in o and v != clause.verb]
    return replace(clause, verb=rng.choice(fits))


def near_miss(rng: Random, clause: Clause, negate: bool = True) -> Clause:
    """Change one thing that matters: a noun, the verb, the roles, an adjective, place, time or polarity."""
    edits = ["subject", "verb", "verb"]
    if clause.verb == "be":
        edits = ["subject", "adj", "adj"]
    if clause.object:
        edits += ["object"] + ["swap", "swap"] * can_swap(clause)
    edits += ["place"] * bool(clause.place) + ["time"] * bool(clause.time)
    edits += ["subject adj"] * bool(clause.subject.adj) + ["object adj"] * bool(clause.object and clause.object.adj)
    edits += ["negate"] * negate
    return edit(rng, clause, rng.choice(edits))


def edit(rng: Random, clause: Clause, kind: str) -> Clause:
    """Apply the named change (see `near_miss`)."""
    if kind == "swap":
        return swap_roles(clause)
    if kind == "negate":
        return replace(clause, negated=not clause.negated)
    if kind == "verb":
        return change_verb(rng, clause)
    if kind == "subject":
        return replace(clause, subject=change_noun(rng, clause.subject))
    if kind == "object":
        return replace(clause, object=change_noun(rng, clause.object))
    if kind == "place":
        return replace(clause, place=other(rng, _PLACES, clause.place))
    if kind == "time":
        return replace(clause, time=other(rng, _TIMES, clause.time))
    if kind == "adj":
        return replace(clause, adj=other(rng, lx.ADJECTIVES_OF[lx.KIND[clause.subject.noun]], clause.adj))
    part = kind.split()[0]
    np = getattr(clause, part)
    return replace(clause, **{part: replace(np, adj=other(rng, lx.ADJECTIVES_OF[lx.KIND[np.noun]], np.adj))})


def weaken(rng: Random, clause: Clause, drops: int = 2) -> Clause:
    """Return what follows from `clause`: details dropped, nouns generalised. A denied clause only loses nothing."""
    if clause.negated:
        return clause
    steps = ["place"] * bool(clause.place) + ["time"] * bool(clause.time)
    for part in ("subject", "object"):
        np = getattr(clause, part)
        if np is None:
            continue
        steps += [part + " det"] * (np.det in lx.WEAKER)
        if np.det in ("every", "all"):
            continue
        steps += [part + " adj"] * bool(np.adj)
        steps += [part + " kind"] * (np.noun not in lx.HYPERNYMS and clause.verb != "be")
    rng.shuffle(steps)
    for step in steps[:drops]:
        clause = _weaken(clause, step)
    return clause


def _weaken(clause: Clause, step: str) -> Clause:
    if step in ("place", "time"):
        return replace(clause, **{step: ""})
    part, what = step.split()
    np = getattr(clause, part)
    if what == "det":
        new = replace(np, det=lx.WEAKER[np.det])
    else:
        new = replace(np, adj="") if what == "adj" else replace(np, noun=lx.KIND[np.noun], adj="")
    return replace(clause, **{part: new})


def entails(one: Clause, two: Clause) -> bool:
    """True when `two` follows from `one` by the rules of `weaken`."""
    if one.negated or two.negated or one.verb != two.verb or one.adj != two.adj or one.past != two.past:
        return one == two
    details = two.place in ("", one.place) and two.time in ("", one.time)
    return details and _covers(one.subject, two.subject) and _covers(one.object, two.object)


def _covers(one: NP | None, two: NP | None) -> bool:
    if one is None or two is None:
        return one is two
    if one.plural != two.plural or two.det not in (one.det, lx.WEAKER.get(one.det)):
        return False
    return two.noun in (one.noun, lx.KIND[one.noun]) and two.adj in ("", one.adj)


def topic(rng: Random, clause: Clause) -> str:
    """Return what a question about `clause` can ask for."""
    return rng.choice(
        ["subject"] + ["object"] * (clause.object is not None) + ["place", "place"] * bool(clause.place)
        + ["time", "time"] * bool(clause.time)
    )


def blur(rng: Random, clause: Clause, about: str) -> Clause:
    """Drop place or time, as a question does with what it does not mention."""
    drop = {k: "" for k in ("place", "time") if k != about and rng.random() < 0.7}
    return replace(clause, **drop)


def off_topic(rng: Random, clause: Clause, asked: Clause, about: str) -> Clause:
    """Return a near miss of `clause` that does not answer the question `asked` about `about`."""
    edits = ["adj" if clause.verb == "be" else "verb"] + ["swap"] * 2 * can_swap(clause)
    edits += ["subject"] * (about != "subject")
    edits += ["object"] * (about != "object" and clause.object is not None)
    edits += ["place"] * (about != "place" and bool(asked.place)) + ["time"] * (about != "time" and bool(asked.time))
    edits += ["drop", "drop"] * (about in ("place", "time"))
    kind = rng.choice(edits)
    if kind != "drop":
        return edit(rng, clause, kind)
    lost = replace(clause, **{about: ""})
    if about == "place" and not lost.time:
        return replace(lost, time=rng.choice(_TIMES))
    if about == "time" and not lost.place:
        return replace(lost, place=rng.choice(_PLACES))
    return lost


def contradict(rng: Random, clause: Clause) -> Clause:
    """Return a clause that cannot hold together with `clause`: denied, or an antonym in a positive clause."""
    antonyms = lx.VERB_ANTONYMS.get(clause.verb, []) + lx.ADJECTIVE_ANTONYMS.get(clause.adj, [])
    fits = [a for a in antonyms if clause.verb == "be" or clause.object is None or _fits(a, clause)]
    if clause.verb == "be":
        fits = [a for a in fits if a in lx.ADJECTIVES_OF[lx.KIND[clause.subject.noun]]]
    if fits and not clause.negated and rng.random() < 0.5:
        word = rng.choice(fits)
        return replace(clause, adj=word) if clause.verb == "be" else replace(clause, verb=word)
    return replace(clause, negated=not clause.negated)


def _fits(verb: str, clause: Clause) -> bool:
    subjects, objects = lx.SELECTS[verb]
    return lx.KIND[clause.subject.noun] in subjects and lx.KIND[clause.object.noun] in objects


def leave_open(rng: Random, clause: Clause) -> Clause:
    """Return a clause that neither follows from `clause` nor contradicts it: something new, changed or narrowed."""
    edits = ["subject", "verb"] if clause.verb != "be" else ["subject"]
    edits += ["object"] * (clause.object is not None) + ["swap", "swap"] * can_swap(clause)
    edits += ["+place"] * (not clause.place) + ["+time"] * (not clause.time)
    edits += ["+adj"] * (not clause.subject.adj and not clause.negated and clause.verb != "be")
    kind = rng.choice(edits)
    if kind == "+place":
        return replace(clause, place=rng.choice(_PLACES))
    if kind == "+time":
        return replace(clause, time=rng.choice(_TIMES))
    if kind == "+adj":
        adj = rng.choice(lx.ADJECTIVES_OF[lx.KIND[clause.subject.noun]])
        return replace(clause, subject=replace(clause.subject, adj=adj))
    if kind == "verb":
        new = change_verb(rng, clause)
        while new.verb in lx.VERB_ANTONYMS.get(clause.verb, ()):
            new = change_verb(rng, clause)
        return new
    return edit(rng, clause, kind)


def elaborate(rng: Random, clause: Clause) -> Clause:
    """Attach a relative clause to the subject: the dog which chased the cat ran."""
    subject = clause.subject
    kind = lx.KIND[subject.noun]
    if rng.random() < 0.5:
        verbs = [v for v, (s, _) in lx.SELECTS.items() if kind in s]
        if rng.random() < 0.3 or not verbs:
            inner = Clause(subject, rng.choice(list(lx.INTRANSITIVE)), past=rng.random() < 0.5)
        else:
            verb = rng.choice(verbs)
            obj = draw_np(rng, lx.SELECTS[verb][1], 0.1, 0.1, subject.noun)
            inner = Clause(subject, verb, obj, past=rng.random() < 0.5)
    else:
        verbs = [v for v, (_, o) in lx.SELECTS.items() if kind in o]
        verb = rng.choice(verbs)
        agent = draw_np(rng, lx.SELECTS[verb][0], 0.1, 0.1, subject.noun)
        inner = Clause(agent, verb, subject, past=rng.random() < 0.5)
    return replace(clause, subject=replace(subject, rel=inner))
