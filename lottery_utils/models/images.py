"""How a checkpoint wants its images: sizes once on the CPU, values batch by batch on the model's device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..errors import UserError
from .anatomy import family_of
from .load import quiet_transformers, read_config
from .source import IMAGE_FILES, model_dir, one_line


@dataclass(frozen=True)
class ImageReader:
    """A checkpoint's image processor, taken in two steps; `shape` (C, H, W) of its output, `tokens` the model makes.

    Resizing and cropping give 8-bit pixels, which take a quarter of the room that floats do; `scaled` does the rest.
    """

    processor: object
    shape: tuple[int, int, int]
    tokens: int

    def sized(self, image) -> np.ndarray:
        """An 8-bit RGB image (Pillow) as the processor resizes and crops it: uint8 (C, H, W); raises UserError."""
        as_it_is = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
        pixels = np.asarray(self.processor(images=[self.coloured(image)], **as_it_is)["pixel_values"][0])
        if pixels.shape != self.shape:
            raise UserError(
                f"{IMAGE_FILES[0]} makes images of {pixels.shape}, the model takes {self.shape} (channels, height, "
                "width); make its size agree with config.json's image_size"
            )
        return pixels.clip(0, 255).round().astype(np.uint8)

    def coloured(self, image):
        """The image (Pillow) in the channels that the model takes: grey where that is one."""
        return image.convert("L") if self.shape[0] == 1 else image

    def scaled(self, pixels: torch.Tensor) -> torch.Tensor:
        """What the model gets, float32 (B, C, H, W), of sized images uint8 (B, C, H, W)."""
        how, x = self.processor, pixels.float()
        if how.do_rescale:
            x = x * how.rescale_factor
        if how.do_normalize:
            mean, std = (torch.tensor(values, device=x.device) for values in (how.image_mean, how.image_std))
            x = (x - mean.reshape(-1, 1, 1)) / std.reshape(-1, 1, 1)
        return x

    def save(self, folder) -> None:
        """Write the processor's configuration, which transformers loads."""
        self.processor.save_pretrained(folder)


def load_image_reader(model: str) -> ImageReader:
    """The image processor of `model`, a directory or a hub id; without its file, of the configuration's image size.

    transformers' processor on Pillow is taken, not the one on torchvision, whose resizing differs in the last bit.
    Raises UserError for a model that reads text, and for a damaged or unknown processor.
    """
    from transformers import AutoImageProcessor, ViTImageProcessorPil

    folder = model_dir(model, weights=False)
    config = read_config(model, folder)
    family = family_of(config)
    if not family.image_tokens:
        raise UserError(f"model {model!r} ({config.model_type}) reads text; the task's examples are images, give a ViT")
    (height, width), (down, across) = (_pair(v) for v in (config.image_size, config.patch_size))
    if config.num_channels not in (1, 3):
        raise UserError(f"model {model!r}: images of {config.num_channels} channels are not read here, expected 3 or 1")
    shape = (config.num_channels, height, width)
    tokens = family.image_tokens + (height // down) * (width // across)
    if not (folder / IMAGE_FILES[0]).is_file():
        half = [0.5] * config.num_channels
        own = ViTImageProcessorPil(size={"height": height, "width": width}, image_mean=half, image_std=half)
        return ImageReader(own, shape, tokens)
    try:
        with quiet_transformers():
            found = AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")
        reader = ImageReader(found, shape, tokens)
        _try(reader)
    except UserError as error:
        raise UserError(f"model {model!r}: {error}") from None
    except Exception as error:  # damaged JSON, unknown types, fields of a wrong kind
        why = one_line(error)
        raise UserError(f"model {model!r}: {IMAGE_FILES[0]} cannot be used ({why}); get it again") from error
    return reader


def _try(reader: ImageReader) -> None:
    """Put one image through, so that a processor that cannot work is found at once."""
    from PIL import Image

    reader.scaled(torch.from_numpy(reader.sized(Image.new("RGB", (40, 30))))[None])


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
