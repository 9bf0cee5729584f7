"""An annotated word, the words of this room as arrays hold them, annotated sentences out of CoNLL-U files; no torch.

CoNLL-U is the format of Universal Dependencies: with it probes ask about real text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lottery_utils.disk import content_of
from lottery_utils.errors import UserError

PROBES = ("part of speech", "number", "depth", "role")
UNTRAINED = ("pretrained", "random_init")  # read beside the fine-tuned network and its subnetworks
# the pre-trained weights under the masks, never fine-tuned: what is due to which parts are kept, and nothing else
MASKED = ("good.masked", "random.masked", "bad.masked")
ROOT = -1
ENGLISH = "english"  # the name of the package's own sentences
COLUMNS = 10
NUMBERS = {"Sing": "singular", "Plur": "plural"}
NOUNS = ("NOUN", "PROPN")
LONGEST = 60  # words; longer sentences are left out


@dataclass(frozen=True)
class Token:
    """A word of a sentence and what holds for it there.

    `head` is the place of the word it depends on, `ROOT` for the root; `depth` counts the steps to the root, which has
    0 (a copula's adjective is the root, as in Universal Dependencies). `number` is "singular" or "plural" for the nouns
    of noun phrases, else "". `role` is "agent" or "patient" for the subject and object of a transitive verb, whichever
    voice it has, else ""; a noun with a relative clause has its role of the clause around it. `hidden_subject` is the
    place of the subject of a past-tense verb that has no auxiliary: its form does not show the subject's number; else
    None.
    """

    word: str
    part: str
    head: int
    depth: int
    number: str = ""
    role: str = ""
    hidden_subject: int | None = None


def text_print(name: str) -> str:
    """Fingerprint of the file's content. Raises UserError when it cannot be read."""
    return hashlib.sha256(_text(name).encode()).hexdigest()[:16]


def read_conllu(name: str) -> list[list[Token]]:
    """The sentences of a CoNLL-U file as annotated tokens, in the file's order.

    Parts of speech are the universal tags. Agents are subjects of active verbs that have an object and ``obl:agent``,
    patients objects and subjects of passive verbs, nouns only; `hidden_subject` is the noun that is the subject of a
    finite verb in the past tense. Left out are sentences of more than `LONGEST` words or with a word that has a space
    in it. Raises UserError, one line with the number of the line: not CoNLL-U, no sentence, no single root.
    """
    sentences, rows = [], []
    for number, line in enumerate([*_text(name).splitlines(), ""], 1):
        if line.startswith("#"):
            continue
        if line.strip():
            rows.append((number, line.split("\t")))
        elif rows:
            sentences.append(_sentence(name, rows))
            rows = []
    kept = [own for own in sentences if own and len(own) <= LONGEST and not any(" " in t.word for t in own)]
    if not kept:
        raise UserError(f"probe_text: {name} holds no annotated sentence of at most {LONGEST} words")
    return kept


def _text(name: str) -> str:
    """What the file holds that a preset's `probe_text` names: the package's own for "english", else its path."""
    path = Path(__file__).with_name("english.conllu") if name == ENGLISH else Path(name).expanduser()
    try:
        return content_of("probe_text, a CoNLL-U file or 'english'", path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"probe_text: {name} is no UTF-8 text; expected a CoNLL-U file or 'english'") from error


def _sentence(name: str, rows: list[tuple[int, list[str]]]) -> list[Token]:
    """One sentence; multiword ranges ("1-2") and empty nodes ("1.1") are left out, as they are no words of the tree."""
    words = []
    for number, row in rows:
        if len(row) != COLUMNS:
            raise UserError(f"probe_text: line {number} of {name} has {len(row)} columns, expected {COLUMNS} (CoNLL-U)")
        if "-" in row[0] or "." in row[0]:
            continue
        if row[0] != str(len(words) + 1) or not row[6].isdecimal():
            expected = f"expected word {len(words) + 1} and its head, a number"
            raise UserError(f"probe_text: line {number} of {name}: {expected}")
        words.append(row)
    heads = [int(row[6]) - 1 for row in words]
    if words and (heads.count(ROOT) != 1 or max(heads) >= len(words) or None in (depths := _depths(heads))):
        raise UserError(f"probe_text: the sentence at line {rows[0][0]} of {name} is no tree with one root")
    return [_token(words, heads, i, depths[i]) for i in range(len(words))]


def _depths(heads: list[int]) -> list[int | None]:
    """Steps to the root; None where there is a circle."""
    found = []
    for place in range(len(heads)):
        steps = 0
        while heads[place] != ROOT and steps <= len(heads):
            place, steps = heads[place], steps + 1
        found.append(steps if steps <= len(heads) else None)
    return found


def _token(words: list[list[str]], heads: list[int], i: int, depth: int) -> Token:
    _, form, _, part, _, features, _, relation, *_ = words[i]
    said = set(features.split("|"))
    number = next((name for key, name in NUMBERS.items() if f"Number={key}" in said), "") if part in NOUNS else ""
    subjects = [c for c, head in enumerate(heads) if head == i and words[c][7] == "nsubj"]
    hidden = None
    if part == "VERB" and {"Tense=Past", "VerbForm=Fin"} <= said and len(subjects) == 1:
        subject = words[subjects[0]]
        known = any(f"Number={key}" in subject[5].split("|") for key in NUMBERS)
        hidden = subjects[0] if subject[3] in NOUNS and known else None
    role = ""
    if part in NOUNS:
        has_object = any(head == heads[i] and words[c][7] == "obj" for c, head in enumerate(heads))
        role = {"obj": "patient", "nsubj:pass": "patient", "obl:agent": "agent"}.get(relation, "")
        role = "agent" if relation == "nsubj" and has_object else role
    return Token(form, part.lower(), heads[i], depth, number, role, hidden)
