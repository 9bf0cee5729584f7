"""A worker process of the local engine: reads cells from standard input, answers on standard output, as JSON lines.

Run as ``python -m lottery_utils.experiment.worker``; the first line is the job. It ends when its input ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from .cells import Cell
from .heap import trim
from .job import Job


def main() -> None:
    """Answer until the input ends. Ctrl-C is the parent's to handle; on SIGTERM the cell's claim is given back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers

    from .work import compute, steady, try_model

    with steady():
        _warm_up()
        job = Job.from_line(sys.stdin.readline())
        while line := sys.stdin.readline():
            message = json.loads(line)
            if "cell" in message:
                answer = compute(job, Cell(**message["cell"]), message["alone"])
            else:
                answer = try_model(job, message["check"])
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
            trim()


def _warm_up() -> None:
    """Take one optimiser step: its first use imports for seconds, which no cell's time should hold."""
    import torch

    parameter = torch.zeros(1, requires_grad=True)
    parameter.sum().backward()
    torch.optim.AdamW([parameter]).step()


def _leave(number, frame) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
