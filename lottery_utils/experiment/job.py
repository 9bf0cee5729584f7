"""A job: what a worker must know about a run beside the cell; it travels as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ..presets import Preset
from .energy import COUNTRY


@dataclass(frozen=True)
class Job:
    """The store's folder, the preset, the fingerprints of the model and of each task's data, the command, the grid.

    `country` and `region` say whose electricity the energy estimate assumes, `cuda_graphs` whether a GPU trains by
    replaying graphs; they change no address.
    """

    root: str
    preset: Preset
    model_print: str
    data_prints: dict[str, str]
    command: str = ""
    country: str = COUNTRY
    region: str = ""
    cuda_graphs: bool = False

    def to_line(self) -> str:
        """This job as a line of JSON; floats come back exactly."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Job:
        """The job back from its line."""
        content = json.loads(line)
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in content.pop("preset").items()}
        return cls(preset=Preset(**fields), **content)
