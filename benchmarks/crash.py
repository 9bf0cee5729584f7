"""Crash test: a small study is killed with SIGKILL again and again, resumed each time, and compared with a calm run.

`make crash-test KILLS=200` ends with one line: kills K, finished cells lost L, computed twice T, records differing D.
Half of the kills come at a random time, half just before a random operation on the store's files; one to four
processes work on the same store at once. Processes are forked from one that has everything loaded, so that a kill
costs no second start of Python. Two records are equal when all but times, command and energy are, checksums of
masks, courses, predictions and weights included.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

OVERRIDES = {
    "train_limit": 48, "dev_limit": 24, "epochs": 1, "min_steps": 0, "max_length": 24, "head_step": 0.34,
    "magnitude_step": 0.4, "magnitude_max_steps": 2, "precision": "fp32",
}  # fmt: skip
TASK, SEEDS = "rte", (1,)
VOLATILE = ("started", "ended", "seconds", "stages_seconds", "command", "checksum", "commit", "dirty")
VOLATILE += ("energy_kwh", "co2_kg", "gpu_hours", "energy")
EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.utime", "os.listdir", "os.scandir")


@dataclass
class Outcome:
    """What a crash test found; all but `kills` and the two numbers after the first line should be 0."""

    kills: int = 0
    lost: int = 0
    twice: int = 0
    differing: int = 0
    sweeps: int = 0
    cells: int = 0
    unclean: int = 0  # damaged cells or processes that ended otherwise than by a kill or at the goal

    def __str__(self) -> str:
        return (
            f"kills {self.kills}, finished cells lost {self.lost}, computed twice {self.twice}, "
            f"records differing {self.differing}"
        )

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.twice or self.differing or self.unclean)


class NoMeter:
    """Stands for the energy meter, whose first use takes seconds."""

    def __init__(self, *arguments):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def fields(self) -> dict:
        """No field at all."""
        return {}


def crash_test(
    kills: int, folder: Path, seed: int = 0, together: tuple = (2, 8), seeds: tuple = SEEDS, say=lambda line: None
) -> Outcome:
    """Kill sweeps in `folder` until `kills` processes died, resuming each to its end.

    Before that, each of `together` is a number of processes that share a store undisturbed.
    """
    draw, outcome = random.Random(seed), Outcome()
    _warm(seeds)
    calm = folder / "calm"
    begin = time.monotonic()
    pid = _fork(calm, seeds, folder / "calm.log", None)
    if _wait(pid) != 0:
        raise RuntimeError(f"the undisturbed run failed: {(folder / 'calm.log').read_text()}")
    span = time.monotonic() - begin
    wanted = _records(calm)
    say(f"undisturbed: {len(wanted)} cells in {span:.1f} s")
    for crew in together:
        root, log = folder / f"crew{crew}", folder / f"crew{crew}.log"
        outcome.unclean += sum(code != 0 for code in _round(root, seeds, log, [None] * crew))
        _judge(root, log, wanted, outcome)
        say(f"{crew} processes on one store: twice {outcome.twice}, differing {outcome.differing}")
    number = 0
    while outcome.kills < kills:
        number += 1
        root, log = folder / f"sweep{number}", folder / f"sweep{number}.log"
        finished: dict[str, bytes] = {}
        while True:
            left = kills - outcome.kills
            crew = draw.choice((1, 1, 2, 3, 4)) if left else 1
            faults = [_fault(draw, span) for _ in range(crew)][:left] or [None]
            codes = _round(root, seeds, log, faults)
            outcome.kills += sum(code == -signal.SIGKILL for code in codes)
            outcome.unclean += sum(code not in (0, -signal.SIGKILL) for code in codes)
            now = _bytes(root)
            outcome.lost += sum(now.get(name) != content for name, content in finished.items())
            finished = now
            if 0 in codes or any(code not in (0, -signal.SIGKILL) for code in codes):
                break
        _judge(root, log, wanted, outcome)
        say(f"sweep {number}: {outcome.kills} kills so far")
        if outcome.ok:
            shutil.rmtree(root)
    return outcome


def _warm(seeds: tuple[int, ...]) -> None:
    """Load what every child needs, once: code, data, model. No training here, so that forks are safe."""
    import torch

    from lottery_utils.experiment import compute, loaded, verify  # noqa: F401
    from lottery_utils.presets import get_preset

    torch.set_num_threads(1)
    preset = get_preset("demo", {**OVERRIDES, "tasks": [TASK], "seeds": list(seeds)})
    key = _study(Path(tempfile.gettempdir()) / "none", seeds).key
    loaded.examples(preset, TASK, key.model, key.prints[TASK])
    loaded.classifier(preset, TASK, seeds[0])
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])


def _study(root: Path, seeds: tuple[int, ...]):
    from lottery_utils.experiment.study import open_study

    return open_study("demo", [TASK], list(seeds), OVERRIDES, root)


def _fault(draw: random.Random, span: float) -> tuple[str, float]:
    """When a process dies: after seconds, or before the n-th operation on the store's files."""
    if draw.random() < 0.5:
        return "seconds", draw.uniform(0.0, span / 4)
    return "operation", draw.randint(1, 300)


def _round(root: Path, seeds: tuple[int, ...], log: Path, faults: list) -> list[int]:
    """Start a process for each fault, kill those that die by time, and return how each ended."""
    begin = time.monotonic()
    crew = {_fork(root, seeds, log, fault): fault for fault in faults}
    times = sorted((fault[1], pid) for pid, fault in crew.items() if fault and fault[0] == "seconds")
    codes: dict[int, int] = {}
    while len(codes) < len(crew):
        for pid in set(crew) - set(codes):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                codes[pid] = os.waitstatus_to_exitcode(status)
        while times and time.monotonic() - begin >= times[0][0]:
            pid = times.pop(0)[1]
            if pid not in codes:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    return list(codes.values())


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _fork(root: Path, seeds: tuple[int, ...], log: Path, fault: tuple[str, float] | None) -> int:
    """A process that runs the study to its end, or dies on the way."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(handle, 2)
        _watch(handle)
        if fault and fault[0] == "operation":
            _die_before(int(fault[1]), str(root))
        summary = _study(root, seeds).run(engine="serial", progress=False)
        code = 0 if summary.ok else 71
        if not summary.ok:
            os.write(handle, f"problem {json.dumps(summary.failed)}\n".encode())
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _watch(handle: int) -> None:
    """Write to the log when a cell is begun (and whether it was there already) and when it is stored."""
    from lottery_utils.experiment import compute as computing

    compute = computing._compute

    def watched(doing, job, key):
        there = "again" if doing.store.read(key) is not None else "begin"
        os.write(handle, f"{there} {key}\n".encode())
        compute(doing, job, key)
        os.write(handle, f"stored {key}\n".encode())

    computing._compute, computing.Meter = watched, NoMeter


def _die_before(count: int, root: str) -> None:
    """Die just before the `count`-th operation on files below `root`."""
    left = count

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        if event in EVENTS and arguments and root in str(arguments[0]):
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _bytes(root: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in root.glob("*/record.json")}


def _records(root: Path) -> dict[str, str]:
    """Address to the record without what may differ, as text."""
    found = {}
    for name, content in _bytes(root).items():
        record = {key: value for key, value in json.loads(content).items() if key not in VOLATILE}
        found[name] = json.dumps(record, sort_keys=True)
    return found


def _judge(root: Path, log: Path, wanted: dict[str, str], outcome: Outcome) -> None:
    from lottery_utils.experiment.store import Store
    from lottery_utils.experiment.verify import verify_store

    found = _records(root)
    outcome.differing += sum(found.get(name) != wanted.get(name) for name in found.keys() | wanted.keys())
    lines = [line.split() for line in log.read_text().splitlines()]
    stored = Counter(line[1] for line in lines if line[:1] == ["stored"])
    outcome.twice += sum(line[:1] == ["again"] for line in lines) + sum(count - 1 for count in stored.values())
    outcome.unclean += sum(finding.kind == "damaged" for finding in verify_store(Store(root)))
    outcome.sweeps += 1
    outcome.cells += len(found)


def main() -> int:
    """Run the long form and print its one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--together", type=int, nargs="*", default=[2, 8], help="processes that share a store calmly")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        outcome = crash_test(
            options.kills, Path(folder), options.seed, options.together, say=lambda line: print(line, flush=True)
        )
        if outcome.unclean:
            for log in Path(folder).glob("*.log"):
                print(log.read_text()[-2000:])
        print(f"{outcome.sweeps} sweeps of {outcome.cells // max(outcome.sweeps, 1)} cells, unclean {outcome.unclean}")
        print(outcome)
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main())
