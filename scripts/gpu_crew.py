"""Processes that share one GPU, and the cells of a study dealt to them: one store, whose claims keep them apart."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lottery_utils.errors import UserError
from lottery_utils.experiment.cells import Cell
from lottery_utils.experiment.run import span
from lottery_utils.experiment.schedule import expected_costs
from lottery_utils.experiment.stage_table import SUPER
from lottery_utils.experiment.study import Study, open_study
from lottery_utils.tasks.glue import TASKS

EACH = ("finetune", "baseline", "search", "control", "score", "retrain", "importance")  # stages of one task and seed
JOINT = ("score", "retrain", "attention")  # stages that read the searches of all of a task's seeds
LOOK = 1.0  # seconds between looks at the store
PATIENCE = 30.0  # seconds a process has to end in
ALONE = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Work:
    """The study that all processes work on: a preset with changes, and the folder of results."""

    preset: str
    changes: dict
    results: str

    def study(self, tasks: list[str] | None, seeds: list[int] | None) -> Study:
        """Some of it."""
        return open_study(self.preset, tasks, seeds, self.changes, self.results)


@dataclass(frozen=True)
class Unit:
    """What a process is given at once: one task and one seed, or with `joint` what needs all its seeds."""

    task: str
    seeds: list[int]
    joint: bool = False

    @property
    def choice(self) -> tuple:
        """Stages, methods and subnetworks."""
        return (JOINT, ["structured"], SUPER) if self.joint else (EACH, None, None)

    def cells(self, work: Work) -> list[Cell]:
        """Its cells, and those they need."""
        return work.study([self.task], self.seeds).cells(*self.choice)


def units(study: Study) -> list[Unit]:
    """All units of a study: one seed of all tasks before the next, the largest task first, joint ones at the end."""
    preset = study.preset
    tasks = sorted(preset.tasks, key=lambda task: -(TASKS[task].train_size if task not in preset.limited else 0))
    each = [Unit(task, [seed]) for seed in preset.seeds for task in tasks]
    joint = [Unit(task, list(preset.seeds), True) for task in tasks] if len(preset.seeds) > 1 else []
    return each + joint


class Progress:
    """Which cells of a study are stored: a line for each new one, with the time to go."""

    def __init__(self, study: Study, cells: list[Cell]):
        self.study, self.begin = study, time.monotonic()
        self.open = {study.address(cell): cell for cell in cells}
        self.total, self.done = len(self.open), 0.0
        for address in self._stored():
            del self.open[address]

    def _stored(self) -> list[str]:
        return [address for address in self.study.store.addresses() if address in self.open]

    def look(self) -> None:
        """Print a line for each cell stored since the last look."""
        if not (new := self._stored()):
            return
        cost = expected_costs(self.study.store.records(), self.study.preset.name)
        for address in new:
            cell = self.open.pop(address)
            self.done += cost(cell)
            to_go = (time.monotonic() - self.begin) * sum(map(cost, self.open.values())) / self.done
            seconds = self.study.store.read(address)["seconds"]
            print(f"{self}: {cell.name} in {span(seconds)}, {span(to_go)} to go", flush=True)

    def __str__(self) -> str:
        return f"{self.total - len(self.open)}/{self.total} cells"


class Member(threading.Thread):
    """A process that takes one unit after another; `failed` are the lines about what went wrong."""

    def __init__(self, work: Work, todo: queue.SimpleQueue):
        super().__init__(daemon=True)
        self.todo, self.failed, self.stopped = todo, [], False
        environment = {"CUDA_VISIBLE_DEVICES": "0", **os.environ, **ALONE}
        command = [sys.executable, str(Path(__file__).resolve()), json.dumps(asdict(work))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=environment, **pipes)

    def run(self) -> None:
        """Hand over units until there are none, or the process is gone."""
        while (unit := next_of(self.todo)) is not None:
            try:
                self.process.stdin.write(json.dumps(asdict(unit)) + "\n")
                self.process.stdin.flush()
            except BrokenPipeError:
                pass
            line = self.process.stdout.readline()
            if line:
                self.failed += json.loads(line)
            elif not self.stopped:
                self.failed.append(f"the process that had {unit.task}, seeds {unit.seeds}, ended before it was done")
            if not line:
                break
        self.process.stdin.close()
        self.process.wait()

    def stop(self) -> None:
        """End the process now; it gives its claim back and stores nothing half."""
        self.stopped = True
        self.process.terminate()
        try:
            self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()


def next_of(todo: queue.SimpleQueue) -> Unit | None:
    """The next unit, None when there is none."""
    try:
        return todo.get_nowait()
    except queue.Empty:
        return None


def run(work: Work, tasks: list[str] | None, seeds: list[int] | None, workers: int, seconds: float) -> int:
    """Compute the study by `workers` processes for at most `seconds`; 1 where a cell failed.

    Stopped by the time, by Ctrl-C or SIGTERM it leaves the store clean, and the same run goes on from there.
    """
    study = work.study(tasks, seeds)
    todo, cells = queue.SimpleQueue(), {}
    for unit in units(study):
        todo.put(unit)
        cells |= dict.fromkeys(unit.cells(work))
    progress = Progress(study, list(cells))
    print(f"{progress} are stored; {workers} processes", flush=True)
    team = [Member(work, todo) for _ in range(workers)]
    try:
        attend(team, progress, progress.begin + seconds)
    finally:
        stop(team)
        progress.look()
    return finish(team, progress)


def attend(team: list[Member], progress: Progress, end: float) -> None:
    """Let the team work until it is done, or until the time `end`."""
    for member in team:
        member.start()
    for member in team:
        while member.is_alive() and time.monotonic() < end:
            member.join(timeout=min(LOOK, max(0.0, end - time.monotonic())))
            progress.look()


def stop(team: list[Member]) -> None:
    """End the processes that are still there, all at once."""
    threads = [threading.Thread(target=member.stop) for member in team if member.process.poll() is None]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def finish(team: list[Member], progress: Progress) -> int:
    """Say how it ended; 1 where something failed."""
    failed = [line for member in team for line in member.failed]
    print("\n".join([*map("failed: {}".format, failed), f"{progress} are stored"]), flush=True)
    if progress.open and not failed:
        print("stopped when the time was over; start the same run again to go on from there", flush=True)
    return int(bool(failed))


def member(text: str) -> None:
    """What a process of the team does: compute the units that come, a line of failures for each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not mix with the answers
    work = Work(**json.loads(text))
    while line := sys.stdin.readline():
        unit = Unit(**json.loads(line))
        print(json.dumps(computed(work, unit)), file=answers, flush=True)


def computed(work: Work, unit: Unit) -> list[str]:
    """Compute a unit in this process; what failed, a line each."""
    try:
        summary = work.study([unit.task], unit.seeds).run(*unit.choice, engine="serial", progress=False)
    except UserError as error:
        return [str(error)]
    return list(summary.failed.values())


if __name__ == "__main__":
    member(sys.argv[1])
