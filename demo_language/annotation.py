"""What the grammar says of a statement of the demo language: parts of speech, number, dependency tree, roles.

The language is small enough to be read without doubt: each word has one tag (`grammar.tags`), and the order of tags
gives the tree. Reading takes no draw, so no sentence of the tasks or of pre-training changes.
"""

from __future__ import annotations

from lottery_book.probes.tokens import ROOT, Token

from .grammar import tags

_PARTS = {"Taz": "determiner", "nNmMlk": "noun", "j": "adjective", "VveWwx": "verb", "iIsSdDq": "auxiliary",
          "t": "negation", "bp": "preposition", "rR": "relative pronoun", "h": "adverb", ",": "comma"}  # fmt: skip
PART_OF_SPEECH = {tag: name for letters, name in _PARTS.items() for tag in letters}
_DETERMINERS, _NOUNS, _PAST = "Taz", "nNmM", "ex"


def annotate(sentence: str) -> list[Token]:
    """Annotate a grammatical statement (words at spaces, no final stop). Raises ValueError for anything else."""
    words = sentence.split()
    reader = _Reader(words, [tags().get(word, "?") for word in words])
    reader.statement()
    return [
        Token(word, PART_OF_SPEECH[tag], head, reader.depth(i), reader.number[i], reader.role[i], reader.subject[i])
        for i, (word, tag, head) in enumerate(zip(words, reader.tags, reader.heads))
    ]


class _Reader:
    """Goes over the tags from left to right and notes heads, numbers, roles and subjects."""

    def __init__(self, words: list[str], letters: list[str]):
        self.words, self.tags, self.at = words, letters, 0
        self.heads = [ROOT] * len(words)
        self.number, self.role = [""] * len(words), [""] * len(words)
        self.subject: list[int | None] = [None] * len(words)

    def depth(self, i: int) -> int:
        steps = 0
        while self.heads[i] != ROOT:
            i, steps = self.heads[i], steps + 1
        return steps

    def comes(self, letters: str) -> bool:
        return self.at < len(self.tags) and self.tags[self.at] in letters

    def take(self, letters: str) -> int:
        if not self.comes(letters):
            raise ValueError(f"not a statement of the demo language: {' '.join(self.words)!r} (word {self.at + 1})")
        self.at += 1
        return self.at - 1

    def statement(self) -> None:
        modifiers = []
        if self.comes("ph"):
            modifiers += [self.modifier(), self.take(",")]
        first = self.phrase()
        root = self.predicate(first) if self.comes("iIsS") else self.active(first)
        while self.comes("ph"):
            modifiers.append(self.modifier())
        for i in (first, *modifiers):
            self.heads[i] = root
        if self.at < len(self.tags):
            self.take("")

    def phrase(self, relative: bool = True) -> int:
        """Read a noun phrase and return its noun."""
        others = [self.take(_DETERMINERS)]
        if self.comes("j"):
            others.append(self.take("j"))
        noun = self.take(_NOUNS)
        for i in others:
            self.heads[i] = noun
        self.number[noun] = "plural" if self.tags[noun] in "NM" else "singular"
        if relative and self.comes("rR"):
            self.relative(noun)
        return noun

    def relative(self, noun: int) -> None:
        pronoun = self.take("rR")
        if self.comes(_DETERMINERS):  # the gap is the object
            agent = self.phrase(relative=False)
            verb = self.verb(agent)
            self.heads[agent], self.role[agent] = verb, "agent"
        else:
            verb = self.verb(noun)
            if self.comes(_DETERMINERS):
                patient = self.phrase(relative=False)
                self.heads[patient], self.role[patient] = verb, "patient"
        self.heads[pronoun], self.heads[verb] = verb, noun

    def verb(self, subject: int) -> int:
        helpers = []
        while self.comes("dDqt"):
            helpers.append(self.take("dDqt"))
        verb = self.take("VveWwx")
        for i in helpers:
            self.heads[i] = verb
        if not helpers and self.tags[verb] in _PAST:
            self.subject[verb] = subject
        return verb

    def active(self, first: int) -> int:
        verb = self.verb(first)
        if self.comes(_DETERMINERS):
            patient = self.phrase()
            self.heads[patient], self.role[patient], self.role[first] = verb, "patient", "agent"
        return verb

    def predicate(self, first: int) -> int:
        helpers = [self.take("iIsS")]
        if self.comes("t"):
            helpers.append(self.take("t"))
        root = self.take("je")
        if self.tags[root] == "e":  # passive
            by = self.take("b")
            agent = self.phrase()
            self.heads[by], self.heads[agent] = agent, root
            self.role[agent], self.role[first] = "agent", "patient"
        for i in helpers:
            self.heads[i] = root
        return root

    def modifier(self) -> int:
        if self.comes("h"):
            return self.take("h")
        others = [self.take("p")]
        if self.comes("T"):
            others.append(self.take("T"))
        noun = self.take("lk")
        for i in others:
            self.heads[i] = noun
        return noun
