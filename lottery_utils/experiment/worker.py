"""A worker process of the pool: reads a job, then messages from standard input, and answers each on standard output.

Run as ``python -m lottery_utils.experiment.worker``; a line of JSON is a message. It ends when its input ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass

from ..presets import Preset
from .cells import Cell
from .energy import COUNTRY


@dataclass(frozen=True)
class Job:
    """The store's folder, the preset, the fingerprints of the model and of each task's data, the command, the grid.

    `country` and `region` say whose electricity the energy estimate assumes, `cuda_graphs` whether a GPU trains by
    replaying graphs, `gpus_per_cell` how many cells of Ray's share one; they change no address.
    """

    root: str
    preset: Preset
    model_print: str
    data_prints: dict[str, str]
    command: str = ""
    country: str = COUNTRY
    region: str = ""
    cuda_graphs: bool = False
    gpus_per_cell: float = 1.0

    def to_line(self) -> str:
        """This job as a line of JSON; floats come back exactly."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Job:
        """The job back from its line."""
        content = json.loads(line)
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in content.pop("preset").items()}
        return cls(preset=Preset(**fields), **content)


def main() -> None:
    """Answer until the input ends. Ctrl-C is the parent's to handle; on SIGTERM the cell's claim is given back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers

    from .work import steady

    with steady():
        _warm_up()
        job = Job.from_line(sys.stdin.readline())
        while line := sys.stdin.readline():
            answers.write(json.dumps(respond(job, json.loads(line))) + "\n")
            answers.flush()


def respond(job: Job, message: dict) -> dict:
    """The answer to a message: of `work.compute` to a cell, of `work.try_model` to a task to check the model with."""
    from .work import compute, try_model

    if "check" in message:
        return try_model(job, message["check"])
    return compute(job, Cell(**message["cell"]), message["alone"])


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
