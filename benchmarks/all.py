"""Run the benchmarks one after the other, each in a process of its own, then write the pages: `make bench`.

Those that need no GPU, in under 15 minutes on two cores. The report's profile is not among them, as it makes a report
on an empty store: `python benchmarks/report_profile.py --run`; nor is the GPU's: `python benchmarks/gpu.py`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ALL = {
    "imports": [], "magnitude_search": [], "structured_search": [], "finetune": [], "retrain_compact": [],
    "inference": [], "growth": [],
}  # fmt: skip


def main() -> int:
    """Run what is asked for; 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=ALL, default=list(ALL), metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--no-page", action="store_true", help="leave the pages as they are")
    options, rest = parser.parse_known_args()
    failed, begin = [], time.perf_counter()
    for name in options.only:
        print(f"\n== {name} {' '.join(rest)}", flush=True)
        start = time.perf_counter()
        if subprocess.run([sys.executable, str(HERE / f"{name}.py"), *ALL[name], *rest]).returncode:
            failed.append(name)
        print(f"== {name}: {time.perf_counter() - start:.0f} s", flush=True)
    if not options.no_page:
        subprocess.run([sys.executable, str(HERE / "page.py")], check=True)
    print(f"{len(options.only)} benchmarks in {(time.perf_counter() - begin) / 60:.1f} min")
    print("failed: " + ", ".join(failed) if failed else "all of them ran")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
