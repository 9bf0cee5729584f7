"""The statements that the probes of chapter 16 read, with what the grammar says of each word."""

from __future__ import annotations

from random import Random

from lottery_book.probes.tokens import Token

from .annotation import annotate
from .language import draw_clause, reserved, say
from .relations import elaborate


def draw_sentences(count: int) -> list[str]:
    """Return `count` different reserved statements, about half of them with a relative clause; always the same.

    No pre-training text and no train set holds one of them (`reserved`), and fewer are the first of more.
    """
    rng, sentences = Random("sentences for probes"), {}
    while len(sentences) < count:
        clause = draw_clause(rng, transitive=0.8, copular=0.05, past=0.8, quantified=0.2)
        if clause.verb != "be" and rng.random() < 0.5:
            clause = elaborate(rng, clause)
        sentence = say(clause, rng, 0.2)
        if reserved(sentence):
            sentences.setdefault(sentence)
    return list(sentences)


def annotated_sentences(count: int) -> list[list[Token]]:
    """The drawn sentences as annotated tokens."""
    return [annotate(sentence) for sentence in draw_sentences(count)]
