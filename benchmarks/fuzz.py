"""Fuzz test: made-up and damaged input of every kind; each must be read, or refused with one clear line.

`make fuzz INPUTS=10000` ends with one line: inputs N, tracebacks T, wrongly stored S. A traceback is any error but
the project's own (`UserError`, `Damaged`), an error of several lines, or an exit code that is not 0, 1 or 2. Wrongly
stored is a cell made by bad input, an altered record read as intact, or data accepted that breaks its own rules.
"""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from fuzz_common import Tally
from fuzz_files import packs, predictions, records, task_files, task_tables
from fuzz_models import checkpoints, masks
from fuzz_words import command_lines, notebooks, presets
from hypothesis import HealthCheck, Phase, given, seed, settings

# (what makes the tests, share of the inputs); checkpoints take the longest
TARGETS: tuple[tuple[Callable, float], ...] = (
    (presets, 0.2), (notebooks, 0.12), (command_lines, 0.1), (task_files, 0.16), (task_tables, 0.12), (masks, 0.14),
    (records, 0.1), (predictions, 0.03), (packs, 0.03), (checkpoints, 0.03),
)  # fmt: skip

SETTINGS = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def fuzz(
    inputs: int, folder: Path, start: int = 0, strict: bool = False, targets=TARGETS, say=lambda line: None
) -> Tally:
    """Try at least `inputs` inputs of the kinds of `targets`, in their shares."""
    tally = Tally(strict=strict)
    total = sum(share for _, share in targets)
    phases = tuple(Phase) if strict else (Phase.generate,)
    for number, (make, share) in enumerate(targets):
        place = folder / make.__name__
        place.mkdir(parents=True)
        made = make(tally, place)
        made = made if isinstance(made, list) else [made]
        for one, (strategies, function) in enumerate(made):
            aim = tally.inputs + -(-inputs * share / total // len(made))
            for again in range(50):
                left = int(aim - tally.inputs)
                if left <= 0:
                    break
                options = settings(SETTINGS, max_examples=left, phases=phases)
                test = options(given(*strategies)(function))
                seed(start + 1000 * number + 100 * one + again)(test)()
        say(f"{make.__name__}: {tally}")
    return tally


def main() -> int:
    """Run the long form and print its one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=[make.__name__ for make, _ in TARGETS])
    options = parser.parse_args()
    targets = [(make, share) for make, share in TARGETS if not options.only or make.__name__ in options.only]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        say = functools.partial(print, flush=True)
        tally = fuzz(options.inputs, Path(folder), options.seed, targets=targets, say=say)
    for key, text in tally.shown.items():
        print(f"\n{key}\n{text}")
    print(", ".join(f"{kind} {count}" for kind, count in tally.kinds.items()))
    print(tally)
    return 1 if tally.tracebacks or tally.stored else 0


if __name__ == "__main__":
    sys.exit(main())
