"""A worker process of the pool: gets a job, then one cell after another, and answers each."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import NamedTuple

from ..presets import Preset
from . import identity, provenance
from .cells import Cell
from .energy import COUNTRY
from .store import Store


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

    def address(self, cell: Cell) -> str:
        """Address of a cell of this job."""
        return identity.address(cell, self.preset, self.model_print, self.data_prints[cell.task])

    def note_failure(self, cell: Cell, error: str, traceback: str = "") -> None:
        """Keep in the store that a cell failed and why; raises OSError where the disk takes nothing."""
        note = {"cell": cell.name, "error": error, "when": provenance.now(), "traceback": traceback}
        Store(self.root).fail(self.address(cell), note)


class Answer(NamedTuple):
    """What became of a cell, and for what went wrong the error in one line.

    "computed"; "done": it was stored already; "elsewhere": another worker has it; "failed", now or by the store's note;
    "out_of_memory", not noted, for it may be tried again alone; "died": its process did not live to note it;
    "user_error": bad input, or a disk that takes nothing, so the run must stop.
    """

    status: str
    error: str = ""


def main(pipe: int) -> None:
    """Answer until the pipe is closed. Ctrl-C is the parent's to handle; on SIGTERM the cell's claim is given back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)

    connection = Connection(pipe)
    with contextlib.suppress(EOFError, ConnectionError):
        _warm_up()
        job = connection.recv()
        while True:
            connection.send(computed_here(job, *connection.recv()))


def computed_here(job: Job, cell: Cell, alone: bool) -> Answer:
    """Compute a cell in this process, whichever engine has started it."""
    from .work import compute, steady

    with steady():
        return compute(job, cell, alone)


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
