"""An annotated word, of the demo's grammar or of a file, and the words of this room as arrays hold them; no torch."""

from __future__ import annotations

from dataclasses import dataclass

PROBES = ("part of speech", "number", "depth", "role")
UNTRAINED = ("pretrained", "random_init")  # read beside the fine-tuned network and its subnetworks
# the pre-trained weights under the masks, never fine-tuned: what is due to which parts are kept, and nothing else
MASKED = ("good.masked", "random.masked", "bad.masked")
ROOT = -1


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
