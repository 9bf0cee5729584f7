"""Images read and resized once, kept as 8-bit pixels, and made into what the model takes batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..models.images import ImageReader
from ..tasks.images import open_image


@dataclass(frozen=True)
class Pictures:
    """Images of one size: `pixels` uint8 (N, C, H, W), `labels` int64 (N,), and who makes the model's input of them."""

    pixels: np.ndarray
    labels: np.ndarray
    reader: ImageReader

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens that the model makes of each image, patches and those before them, shape (N,)."""
        return np.full(len(self), self.reader.tokens)

    def inputs(self, rows: np.ndarray, device: torch.device) -> dict[str, torch.Tensor]:
        """The model's input for `rows` (B,): float32 (B, C, H, W)."""
        return {"pixel_values": self.reader.scaled(torch.from_numpy(self.pixels[rows]).to(device))}


def read_pictures(reader: ImageReader, split) -> Pictures:
    """Read the files of a task's split; raises UserError for one that is no image any more, or does not fit."""
    pixels = np.empty((len(split), *reader.shape), np.uint8)
    for row, path in enumerate(split.files):
        pixels[row] = reader.sized(open_image(path))
    return Pictures(pixels, np.asarray(split.labels), reader)
