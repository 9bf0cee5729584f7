"""A worker process of the local engine: reads cells from standard input, answers on standard output, as JSON lines.

Run as ``python -m lottery_utils.experiment.worker``; a line that is a job holds for those after it. It ends when its
input ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from .cells import Cell
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
        job = None
        while line := sys.stdin.readline():
            message = json.loads(line)
            if "cell" in message:
                answer = compute(job, Cell(**message["cell"]), message["alone"])
            elif "check" in message:
                answer = try_model(job, message["check"])
            else:
                job = Job.from_line(line)
                continue
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _warm_up() -> None:
    """Import what cells use, take one optimiser step, look at the hardware: seconds that no cell's time should hold."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401  transformers imports late

    from ..training.device import pick_device
    from .energy import Meter, gpu_of

    Meter(gpu=gpu_of(pick_device()))
    parameter = torch.zeros(1, requires_grad=True)
    parameter.sum().backward()
    torch.optim.AdamW([parameter]).step()


def _leave(number, frame) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
