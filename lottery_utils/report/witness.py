"""What a kernel showed, cell by cell, written down by the kernel itself, so that an output lost on its way is noticed.

Outputs travel over a channel on which nothing is acknowledged. On a busy machine one was seen to be missing from an
executed notebook, without an error or a warning anywhere.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SHOWN = ("display_data", "execute_result")


def watch(path: str) -> None:
    """In a kernel: append a JSON line to `path` after each cell with its number and how much it showed."""
    from IPython import get_ipython

    shell, seen = get_ipython(), {"shown": 0, "text": False, "cleared": False}

    def count(message: dict) -> dict:
        kind = message["header"]["msg_type"]
        seen["shown"] += kind in SHOWN
        seen["cleared"] |= kind == "clear_output"
        return message

    for publisher in (shell.display_pub, shell.displayhook):
        if hasattr(publisher, "register_hook"):  # ipykernel 7 has it on both
            publisher.register_hook(count)

    def before(_) -> None:  # for each cell: IPython puts its own `write` back when a cell ends
        write = sys.stdout.write
        if getattr(write, "seen", None) is seen:
            return

        def counted(text: str, *others) -> int:
            seen["text"] |= bool(text)
            return write(text, *others)

        counted.seen = seen
        sys.stdout.write = counted

    def after(result) -> None:
        if result.execution_count is not None:
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"cell": result.execution_count, **seen}) + "\n")
        seen.update(shown=0, text=False, cleared=False)

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)


def startup_line(path: Path) -> str:
    """A line of code that makes a kernel of this environment `watch`."""
    return f"__import__({__name__!r}, fromlist=['watch']).watch({str(path)!r})"


def lost_outputs(notebook, path: Path) -> list[int]:
    """Numbers of the cells of an executed `notebook` that showed more than it holds, by what the kernel told in `path`.

    None where the kernel told nothing, as one that is not IPython's.
    """
    if not path.is_file():
        return []
    told = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    cells = {cell.get("execution_count"): cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    lost = []
    for want in told:
        outputs = cells.get(want["cell"])
        if outputs is None or want["cleared"]:
            continue
        text = any(output.output_type == "stream" and output.name == "stdout" for output in outputs)
        if sum(output.output_type in SHOWN for output in outputs) < want["shown"] or (want["text"] and not text):
            lost.append(want["cell"])
    return lost
