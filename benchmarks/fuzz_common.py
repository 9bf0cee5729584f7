"""What the fuzz tests share: the tally, and values that are awkward as settings, names, paths or JSON."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("tests", ".")]

from hypothesis import strategies as st  # noqa: E402

from lottery_utils.errors import UserError  # noqa: E402
from lottery_utils.experiment.store import Damaged  # noqa: E402
from lottery_utils.presets import GLUE_TASKS, Preset  # noqa: E402


@dataclass
class Tally:
    """How many inputs were tried and what went wrong; with `strict` the first wrong one raises."""

    inputs: int = 0
    tracebacks: int = 0
    stored: int = 0
    strict: bool = False
    kinds: Counter = field(default_factory=Counter)
    shown: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"inputs {self.inputs}, tracebacks {self.tracebacks}, wrongly stored {self.stored}"

    def wrong(self, what: str, detail: str) -> None:
        """Note something accepted that should not have been."""
        self.stored += 1
        self.shown.setdefault(what, _short(detail))
        if self.strict:
            raise AssertionError(f"{what}: {detail}")

    @contextlib.contextmanager
    def judged(self, kind: str) -> Iterator[None]:
        """Count one input of a kind; any error but ours, and any of several lines, is a traceback."""
        self.inputs += 1
        self.kinds[kind] += 1
        try:
            yield
        except (UserError, Damaged) as error:
            text = str(error)
            if not text.strip() or "\n" in text or len(text) > 3000:
                self._traceback(kind, error)
        except AssertionError:
            raise
        except Exception as error:
            self._traceback(kind, error)

    def _traceback(self, kind: str, error: Exception) -> None:
        self.tracebacks += 1
        where = traceback.extract_tb(error.__traceback__)[-1]
        key = f"{kind}: {type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
        self.shown.setdefault(key, _short("".join(traceback.format_exception(error, limit=-6))))
        if self.strict:
            raise error


def _short(text: str) -> str:
    """The beginning and the end of a text, for inputs may be long."""
    return text if len(text) < 3000 else f"{text[:1500]} [...] {text[-1500:]}"


def over(*strategies: st.SearchStrategy) -> Callable:
    """Marks a function as a test over inputs of `strategies`; it becomes the pair of both."""
    return lambda function: (strategies, function)


# values of all kinds, and texts that are awkward as names, paths or JSON

AWKWARD = ["", " ", "0", "-1", "1e999", "NaN", "null", "true", "[]", "{}", '["rte"]', "[" * 2000, '{"a":', "rte", "\0"]
AWKWARD += ["../../x", "/", "/nowhere/x", "~nobody/x", "a" * 300, "a/b/c", "x" * 5000, "a\nb", "\u202e", "\udcff"]
AWKWARD += ["embedded", "hub", "C:\\x", "-p", "--help", "%s", "{0}", "<script>", "é", "٣", "1_000", "0x10"]
TEXTS = st.sampled_from(AWKWARD) | st.text(max_size=12)
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 2**63, 10**400, 1e308, float("nan"), float("inf")])
ATOMS = st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from(GLUE_TASKS)
VALUES = st.recursive(ATOMS, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXTS, v, max_size=2), max_leaves=5)
FIELDS = st.sampled_from(list(Preset.__dataclass_fields__)) | TEXTS


def bytes_damage(content: bytes, draw: random.Random) -> bytes:
    """The bytes cut, overwritten, doubled or grown somewhere."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        at = draw.randrange(len(data) + 1)
        kind = draw.randrange(7)
        if kind == 0:
            del data[at:]
        elif kind == 1 and data:
            data[min(at, len(data) - 1)] ^= 1 << draw.randrange(8)
        elif kind == 2:
            data[at:at] = draw.randbytes(draw.choice((1, 4, 100)))
        elif kind == 3:
            del data[at : at + draw.choice((1, 2, 30, 1000))]
        elif kind == 4:
            data[at:at] = data[at : at + 200]
        elif kind == 5:
            data[at:at] = draw.choice((b"\t", b"\n", b"\r", b"\0", b"\xff\xfe", b'"', b"\xe2\x80\xa8", b"x" * 20_000))
        else:
            data[at : at + 8] = bytes(8)
    return bytes(data)
