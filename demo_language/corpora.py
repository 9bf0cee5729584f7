"""Corpora to pre-train on that are like the demo language in everything but one thing, for the paper's open question.

Each is the language's own texts, drawn by the same draws and then rewritten word for word, so that every corpus has
the same number of texts, of the same lengths, in the same order:

- `language`: as they are;
- `shuffled`: the words of each sentence in random order, so the language's words keep company but have no grammar;
- `brackets`: nested brackets of many types (a Dyck language): a grammar, of nesting, but not the language's;
- `zipf`: words drawn on their own from the language's word frequencies, which fall about as 1 / rank (Zipf's law):
  neither company nor grammar;
- `none`: no pre-training at all.

Brackets follow Papadimitriou and Jurafsky (2020), who pre-trained on them before language; here an opening and its
closing bracket are two words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate
from random import Random

from lottery_book.pretraining import CORPORA

from .corpus import Text, texts
from .lexicon import words

COUNTED = 12_000  # texts that word frequencies are counted on


def rewritten(rng: Random, found: Iterable[Text], corpus: str, phase: str = "main") -> list[Text]:
    """The texts of the language `found` as texts of `corpus`, each sentence with as many words as it had.

    `phase` is the corpus phase the texts were drawn for: its word frequencies are those of `brackets` and `zipf`.
    Raises ValueError for a corpus without texts.
    """
    if corpus == "language":
        return list(found)
    if corpus == "shuffled":
        return [text._replace(first=_shuffled(rng, text.first), second=_shuffled(rng, text.second)) for text in found]
    if corpus not in ("brackets", "zipf"):
        raise ValueError(f"corpus {corpus!r} has no texts; expected one of {', '.join(list(CORPORA)[:-1])}")
    draw = _nested if corpus == "brackets" else _noise
    result = []
    for text in found:
        first, second = len(text.first.split()), len(text.second.split())
        line = draw(rng, first + second, phase)
        result.append(text._replace(first=" ".join(line[:first]), second=" ".join(line[first:])))
    return result


def _shuffled(rng: Random, sentence: str) -> str:
    line = sentence.split()
    rng.shuffle(line)
    return " ".join(line)


@lru_cache(maxsize=len(("short", "main", "late")))
def frequencies(phase: str = "main") -> dict[str, float]:
    """Share of each word of the vocabulary in the language's texts of `phase`, most frequent first; none is 0.

    Counted on a fixed sample; each word is counted once more than it occurs, so that rare ones are there.
    """
    counts = Counter(words())
    for text in texts(Random(f"frequencies {phase}"), COUNTED, phase, masked_only=True):
        counts.update(text.first.split())
        counts.update(text.second.split())
    total = counts.total()
    return {word: count / total for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))}


@lru_cache(maxsize=8)
def _sums(phase: str) -> tuple[tuple[str, ...], list[float]]:
    shares = frequencies(phase)
    return tuple(shares), list(accumulate(shares.values()))


def _noise(rng: Random, length: int, phase: str) -> list[str]:
    names, sums = _sums(phase)
    return rng.choices(names, cum_weights=sums, k=length)


@lru_cache(maxsize=1)
def brackets() -> tuple[dict[str, str], str]:
    """The bracket types, opening word to closing word, by falling frequency; and the word that is no bracket.

    A type is a pair of words next to each other in frequency, in all phases the same. The number of words being odd,
    the rarest is left: it ends texts with an odd number of words.
    """
    names = list(frequencies("main"))
    rest = names.pop() if len(names) % 2 else names[0]
    return dict(zip(names[::2], names[1::2])), rest


@lru_cache(maxsize=8)
def _bracket_sums(phase: str) -> tuple[tuple[str, ...], list[float]]:
    shares = frequencies(phase)
    types = brackets()[0]
    return tuple(types), list(accumulate(shares[one] + shares[other] for one, other in types.items()))


def _nested(rng: Random, length: int, phase: str) -> list[str]:
    """A balanced string of `length` words: at each place open or close, each as likely where both are possible."""
    types, rest = brackets()
    names, sums = _bracket_sums(phase)
    line, open_ones = [], []
    even = length - length % 2
    for place in range(even):
        must_close = len(open_ones) == even - place
        if open_ones and (must_close or rng.random() < 0.5):
            line.append(types[open_ones.pop()])
        else:
            open_ones.append(rng.choices(names, cum_weights=sums)[0])
            line.append(open_ones[-1])
    return line + [rest] * (length - even)
