"""How long do `import lottery_utils`, `lottery --help` and `lottery status` take, beside a Python that does nothing?"""

from __future__ import annotations

import subprocess
import sys
import tempfile

import common

GOALS = {"import": 0.5, "help": 1.0, "status": 1.0}  # seconds


def main() -> None:
    """Start each command in turn, print, append."""
    options = common.arguments(__doc__, rounds=7)
    entry = [sys.executable, "-m", "lottery_utils.cli"]
    with tempfile.TemporaryDirectory() as nothing:
        commands = {
            "nothing": [sys.executable, "-c", "pass"],
            "import": [sys.executable, "-c", "import lottery_utils"],
            "help": [*entry, "--help"],
            "status": [*entry, "status", "--results", nothing],
            "status-laptop": [
                *entry,
                "status",
                "--preset",
                "laptop",
                "--set",
                "precision=bf16",
                "--results",
                "records/laptop",
            ],
        }

        def start(command: list[str]) -> None:
            subprocess.run(command, cwd=common.ROOT, check=True, stdout=subprocess.DEVNULL)

        timings, _ = common.alternate(
            options.rounds, **{name: lambda c=command: start(c) for name, command in commands.items()}
        )
    for timing in timings.values():
        timing.cpu.clear()  # it was spent in another process
    rows = []
    for name, command in commands.items():
        said = " ".join("python" if part == sys.executable else "DIR" if part == nothing else part for part in command)
        wall = timings[name].wall
        rows.append({"command": said, "median (s)": timings[name].median, "least": min(wall), "most": max(wall)})
    for name, goal in GOALS.items():
        common.report(
            options,
            f"start-{name}",
            timings[name].median,
            goal,
            "s",
            what=rows[list(commands).index(name)]["command"],
            than="the goal",
            note=f"a Python that does nothing: {timings['nothing'].median:.3f} s",
            timings={"ours": timings[name], "python": timings["nothing"]},
            rows=rows if name == "status" else None,
        )


if __name__ == "__main__":
    main()
