"""What every benchmark here does alike: material, alternating runs, the table, the line in results.json."""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE)]
RESULTS = HERE / "results.json"
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # what is not on this machine is replaced, never fetched


def arguments(text: str, *, rounds: int = 3, parser: argparse.ArgumentParser | None = None) -> argparse.Namespace:
    """The options all benchmarks have; sets the number of threads."""
    parser = parser or argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="alternating runs of each side")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch (default: all cores)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file that results are appended to")
    parser.add_argument("--dry", action="store_true", help="append nothing")
    parser.add_argument("--tiny", action="store_true", help="sizes that take seconds: to try the code, not to measure")
    options = parser.parse_args()
    if options.tiny:
        options.rounds = min(options.rounds, 2)
        options.dry |= options.results == RESULTS  # numbers of the tiny sizes say nothing
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    return options


@dataclass
class Timing:
    """Wall and CPU seconds of each run of one side."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median wall seconds."""
        return statistics.median(self.wall)

    @property
    def spread(self) -> str:
        """Least and greatest wall seconds."""
        return f"{min(self.wall):.3g} to {max(self.wall):.3g}"

    def note(self, wall: float, cpu: float | None = None) -> None:
        """Add a run timed elsewhere."""
        self.wall.append(wall)
        if cpu is not None:
            self.cpu.append(cpu)

    def run(self, work: Callable[[], object]) -> object:
        """Run `work` once, and note its times."""
        cpu, wall = time.process_time(), time.perf_counter()
        found = work()
        self.note(time.perf_counter() - wall, time.process_time() - cpu)
        return found


def has(package: str, what: str) -> bool:
    """Whether `package` is installed; else says in a line that `what` is not measured."""
    if importlib.util.find_spec(package) is not None:
        return True
    print(f"skipped: {what} needs the package {package}; pip install -e '.[bench]'")
    return False


def alternate(rounds: int, **sides: Callable[[], object]) -> tuple[dict[str, Timing], dict[str, object]]:
    """Run all sides in turn, `rounds` times: their times, and what each found last."""
    timings = {name: Timing() for name in sides}
    found = {}
    for _ in range(rounds):
        for name, work in sides.items():
            found[name] = timings[name].run(work)
    return timings, found


def report(
    options: argparse.Namespace,
    name: str,
    ours: float,
    peer: float,
    unit: str,
    *,
    ratio: float | None = None,
    what: str,
    than: str,
    note: str = "",
    timings: dict[str, Timing] | None = None,
    rows: list[dict] | None = None,
) -> None:
    """Print one comparison and append it to results.json.

    `ratio` says how many times better ours is (by default peer / ours); `what` and `than` name the two sides. `rows`
    are a table that belongs to it: flat dicts with the same keys.
    """
    ratio = peer / ours if ratio is None else ratio
    print(f"\n{name}\n  ours   {ours:10.4g} {unit}   {what}\n  peer   {peer:10.4g} {unit}   {than}")
    entry = {"name": name, "ours": ours, "peer": peer, "unit": unit, "ratio": ratio}
    if timings:
        entry["runs"] = {side: {"wall": t.wall, "cpu": t.cpu} for side, t in timings.items()}
        for side, t in timings.items():
            cpu = f", CPU {statistics.median(t.cpu):.3g} s" if t.cpu else ""
            print(f"  {side:6} median {t.median:.3g} s ({t.spread}){cpu}, {len(t.wall)} runs")
    if rows:
        entry["rows"] = rows
        for row in rows:
            print("  " + ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
    print(f"  ratio  {ratio:10.3g}\n  {machine()['text']}" + (f"\n  {note}" if note else ""), flush=True)
    entry |= {
        "what": what,
        "than": than,
        "note": note,
        "machine": machine()["text"],
        "threads": options.threads,
        "versions": versions(),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    if not options.dry:
        entries = json.loads(options.results.read_text()) if options.results.is_file() else []
        text = json.dumps([*entries, entry], indent=1, ensure_ascii=False)
        options.results.write_text(text + "\n", encoding="utf-8")


def machine() -> dict[str, object]:
    """This machine in words, and whether others kept it busy."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    gpu = ""
    if "torch" in sys.modules:
        import torch

        gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return {"text": f"{name}, {os.cpu_count()} cores{gpu}, load {load:.1f}", "load": load}


def versions() -> dict[str, str]:
    """Versions that matter for speed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in ("torch", "transformers", "accelerate", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit measured, with + where files of the package differ from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        made = [":(exclude)benchmarks/results.json", ":(exclude)benchmarks/README.md"]  # what a run itself changes
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "lottery_utils", "benchmarks", *made])
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.returncode else "")
