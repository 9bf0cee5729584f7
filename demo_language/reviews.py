"""Reviews: sentences with a sentiment that depends on negation, concession and who says it.

Polarity is +1 or -1. A judgement is a word's polarity turned by negation; of two judgements joined by
"but" the second decides, of "although A , B" the main clause B, whichever stands first.
"""

from __future__ import annotations

from random import Random

ASPECTS = ("film", "movie", "story", "plot", "dialogue", "script", "ending", "music", "cast", "scenery", "hero", "book")
PLURAL_ASPECTS = ("actors", "jokes", "scenes", "songs", "characters", "costumes")
GOOD = ("good", "great", "excellent", "brilliant", "wonderful", "superb", "charming", "delightful", "funny", "moving",
        "gripping", "fresh", "elegant", "lovely", "splendid", "thrilling", "witty", "graceful")
BAD = ("bad", "awful", "terrible", "dull", "boring", "tedious", "clumsy", "lifeless", "stale", "silly", "dreadful",
       "horrible", "annoying", "messy", "shallow", "bland", "tired", "ugly")
LIKE = ("liked", "enjoyed", "admired", "recommended", "treasured")
DISLIKE = ("disliked", "regretted", "avoided", "rejected", "mocked")
NEGATORS = ("not", "never", "hardly", "far from", "anything but")
WORDS = " ".join((*ASPECTS, *PLURAL_ASPECTS, *GOOD, *BAD, *LIKE, *DISLIKE, *NEGATORS)).split()
EXTRA = ("i", "we", "critics", "nobody", "everybody", "although", "but", "it", "them", "and", "too", "simply")


def judgement(rng: Random, polarity: int, negated: float = 0.4) -> list[str]:
    """Return a clause of the given polarity, for instance "the plot was never dull" (+1)."""
    turned = rng.random() < negated
    plain = -polarity if turned else polarity
    aspect = rng.choice(ASPECTS + PLURAL_ASPECTS)
    if rng.random() < 0.3:
        verb = rng.choice(LIKE if plain > 0 else DISLIKE)
        who = "nobody" if turned else rng.choice(("i", "we", "critics", "everybody"))
        return [who, verb, "the", aspect]
    be = "were" if aspect in PLURAL_ASPECTS else "was"
    middle = rng.choice(NEGATORS if turned else ("", "", "very", "quite", "really", "simply"))
    return ["the", aspect, be, *middle.split(), rng.choice(GOOD if plain > 0 else BAD)]


def review(rng: Random, polarity: int, contrast: float = 0.6, negated: float = 0.4) -> str:
    """Return a review of the given overall polarity, one clause or two joined by a contrast."""
    main = judgement(rng, polarity, negated)
    if rng.random() >= contrast:
        if rng.random() < 0.4:
            return " ".join([*main, "and", *judgement(rng, polarity, negated)])
        return " ".join(main)
    side = judgement(rng, -polarity, negated)
    form = rng.randrange(3)
    if form == 0:
        return " ".join([*side, "but", *main])
    if form == 1:
        return " ".join(["although", *side, ",", *main])
    return " ".join([*main, "although", *side])


def verdict(rng: Random, polarity: int, parts: int = 1) -> str:
    """Return a closing sentence of `parts` that sums a review up, as reviews do (pre-training only)."""
    return " and ".join(_summary(rng, polarity) for _ in range(parts))


def _summary(rng: Random, polarity: int) -> str:
    if rng.random() < 0.5:
        who = rng.choice(("i", "we", "everybody", "critics"))
        return f"{who} {rng.choice(LIKE if polarity > 0 else DISLIKE)} it"
    how = rng.choice(("very", "quite", "really", "simply"))
    return f"it was {how} {rng.choice(GOOD if polarity > 0 else BAD)}"
