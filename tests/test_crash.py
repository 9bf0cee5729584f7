"""The short forms of the crash test and the fuzz test; `make crash-test` and `make fuzz` run the long ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def run(name: str, *arguments: str) -> str:
    """The last line a benchmark prints; it must end well."""
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the crash test forks its processes")
def test_killed_sweeps_end_as_undisturbed_ones():
    line = run("crash.py", "--kills", "6", "--together", "3")
    assert line == "kills 6, finished cells lost 0, computed twice 0, records differing 0"


@pytest.mark.slow
def test_bad_input_of_every_kind_is_one_line_and_never_stored():
    line = run("fuzz.py", "--inputs", "600")
    numbers = dict(part.rsplit(" ", 1) for part in line.split(", "))
    assert int(numbers.pop("inputs")) >= 600 and numbers == {"tracebacks": "0", "wrongly stored": "0"}
