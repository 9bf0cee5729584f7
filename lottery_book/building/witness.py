"""What a kernel showed, cell by cell, written down by the kernel itself, so that an output lost on its way is noticed.

Outputs travel over a channel on which nothing is acknowledged. On a busy machine one was seen to be missing from an
executed notebook, without an error or a warning anywhere. So a cell of which the kernel says nothing counts as lost
too: it was not run, or it is not known what it showed.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

SHOWN = ("display_data", "execute_result")
SKIPPED = "skip-execution"  # the tag of cells that are not run


def watch(path: str) -> None:
    """In a kernel: append a JSON line to `path` after each cell with its number and how much it showed.

    `shown` counts displays and values, `text` the characters printed; `cleared` says whether any were taken back.
    """
    from IPython import get_ipython

    shell, seen = get_ipython(), {"shown": 0, "text": 0, "cleared": False}
    depth, writing = 0, set()  # cells begun and not ended; threads within `write`

    def count(message: dict) -> dict:
        kind = message["header"]["msg_type"]
        seen["shown"] += kind in SHOWN
        seen["cleared"] |= kind == "clear_output"
        return message

    for publisher in (shell.display_pub, shell.displayhook):
        if hasattr(publisher, "register_hook"):  # ipykernel 7 has it on both
            publisher.register_hook(count)

    def before(_) -> None:  # for each cell: IPython puts its own `write` back when a cell ends
        nonlocal depth
        depth += 1
        write = sys.stdout.write
        if getattr(write, "seen", None) is seen:
            return

        def counted(text: str, *others) -> int:
            thread = threading.get_ident()
            if thread in writing:  # a cell that runs another one, or one after a coroutine: counted further out
                return write(text, *others)
            writing.add(thread)
            try:
                done = write(text, *others)
                seen["text"] += len(text)
            finally:
                writing.discard(thread)
            return done

        counted.seen = seen
        sys.stdout.write = counted

    def after(result) -> None:
        nonlocal depth
        outermost, depth = depth == 1, max(depth - 1, 0)
        if not outermost:  # a cell within a cell, or the line that calls this function
            return
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"cell": result.execution_count, **seen}) + "\n")
        seen.update(shown=0, text=0, cleared=False)

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)


def startup_line(path: Path) -> str:
    """A line of code that makes a kernel of this environment `watch`."""
    return f"__import__({__name__!r}, fromlist=['watch']).watch({str(path)!r})"


def lost_outputs(notebook, path: Path) -> list[int]:
    """Places, from 0, of the code cells in a fully executed `notebook` that hold less than the kernel showed.

    By what the kernel told in `path`; cells it told nothing of, or whose number did not arrive, are among them.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    told = {line["cell"]: line for line in map(json.loads, lines)}
    return [
        place
        for place, cell in enumerate(notebook.cells)
        if _runs(cell) and not _whole(cell, told.get(cell.execution_count))
    ]


def _runs(cell) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip()) and SKIPPED not in cell.metadata.get("tags", [])


def _whole(cell, told: dict | None) -> bool:
    """Whether an executed code cell holds at least what the kernel `told` it had shown."""
    if told is None or told["cleared"]:
        return told is not None
    shown = sum(output.output_type in SHOWN for output in cell.outputs)
    text = sum(len(o.text) for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")
    return shown >= told["shown"] and text >= told["text"]
