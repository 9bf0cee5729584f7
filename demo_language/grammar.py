"""A checker of the demo language's sentences, independent of the generator: words become tags, a pattern decides."""

from __future__ import annotations

import re
from functools import cache

from . import lexicon as lx

_FIXED = {"the": "T", "is": "i", "are": "I", "was": "s", "were": "S", "does": "d", "do": "D", "did": "q", "not": "t",
          "by": "b", "who": "r", "which": "R", ",": ",", "in": "p", "at": "p", "on": "p", "near": "p", "after": "p",
          "before": "p", "an": "a"}
_SINGULAR, _PLURAL = "[Ta]j?[nm]", "[Tz]j?[NM]"
_NP = f"(?:{_SINGULAR}|{_PLURAL})"
_SINGULAR_VERB, _PLURAL_VERB = "(?:v|e|dtV|qtV)", "(?:V|e|DtV|qtV)"
_SINGULAR_INTRANSITIVE, _PLURAL_INTRANSITIVE = "(?:w|x|dtW|qtW)", "(?:W|x|DtW|qtW)"
_OBJECT_GAP = f"{_SINGULAR}{_SINGULAR_VERB}|{_PLURAL}{_PLURAL_VERB}"
_SINGULAR_GAP = f"(?:{_SINGULAR_VERB}{_NP}|{_SINGULAR_INTRANSITIVE}|{_OBJECT_GAP})"
_PLURAL_GAP = f"(?:{_PLURAL_VERB}{_NP}|{_PLURAL_INTRANSITIVE}|{_OBJECT_GAP})"
_FULL_SINGULAR = f"[Ta]j?(?:n(?:r{_SINGULAR_GAP})?|m(?:R{_SINGULAR_GAP})?)"
_FULL_PLURAL = f"[Tz]j?(?:N(?:r{_PLURAL_GAP})?|M(?:R{_PLURAL_GAP})?)"
_FULL = f"(?:{_FULL_SINGULAR}|{_FULL_PLURAL})"
_CORE = (
    f"(?:{_FULL_SINGULAR}(?:{_SINGULAR_VERB}{_FULL}|{_SINGULAR_INTRANSITIVE}|[is]t?j|[is]t?eb{_FULL})"
    f"|{_FULL_PLURAL}(?:{_PLURAL_VERB}{_FULL}|{_PLURAL_INTRANSITIVE}|[IS]t?j|[IS]t?eb{_FULL}))"
)
_PLACE, _TIME = "pTl", "(?:h|pk)"
_SENTENCE = re.compile(f"(?:(?:{_PLACE}|{_TIME}),)?{_CORE}(?:{_PLACE})?{_TIME}?")


@cache
def tags() -> dict[str, str]:
    """Return {word: one-letter tag} for the words statements are made of."""
    table = dict(_FIXED)
    pairs = [(d, "a") for d in lx.SINGULAR] + [(d, "z") for d in lx.PLURAL]
    for concept, synonyms in lx.NOUNS.items():
        tag = "nN" if lx.KIND[concept] == "person" else "mM"
        pairs += [(word, t) for forms in synonyms for word, t in zip(forms, tag)]
    for verbs, letters in ((lx.TRANSITIVE, "Vve"), (lx.INTRANSITIVE, "Wwx")):
        pairs += [(word, t) for synonyms in verbs.values() for forms in synonyms for word, t in zip(forms, letters)]
    pairs += [(word, "j") for synonyms in lx.ADJECTIVES.values() for word in synonyms]
    pairs += [(phrase[1], "l") for phrases in lx.PLACES.values() for phrase in phrases]
    pairs += [(phrase[-1], "k" if len(phrase) == 2 else "h") for phrases in lx.TIMES.values() for phrase in phrases]
    for word, tag in pairs:
        if table.setdefault(word, tag) != tag:
            raise ValueError(f"word {word!r} has two tags: {table[word]!r} and {tag!r}; every word may have one")
    return table


def grammatical(sentence: str) -> bool:
    """True when `sentence` is a grammatical statement (words at spaces, no final stop)."""
    words = sentence.split()
    for article, following in zip(words, words[1:]):
        if article in ("a", "an") and (article == "an") != (following[0] in "aeiou"):
            return False
    return bool(_SENTENCE.fullmatch("".join(tags().get(word, "?") for word in words)))
