"""Make a small classification task of drawn shapes, its description, and a small untrained vision transformer for it.

    python examples/shapes/make.py DIR

writes DIR/images/{train,dev}/{circle,cross,square,triangle}/*.png, DIR/shapes.yaml and DIR/vit; the same every time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

CLASSES = ("circle", "cross", "square", "triangle")
SIZES = {"train": 300, "dev": 75}  # images of each class
SIDE = 32  # pixels
TASK = "name: shapes\ntitle: Drawn shapes\nimages: images\nmetrics: [accuracy, mcc]\n"
NETWORK = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}


def draw(kind: str, rng: Random) -> Image.Image:
    """One shape of random colour, size and place on a ground of another colour, with specks."""
    ground, colour = (tuple(rng.randrange(least, most) for _ in range(3)) for least, most in ((0, 90), (150, 256)))
    image = Image.new("RGB", (SIDE, SIDE), ground)
    pen, r = ImageDraw.Draw(image), rng.randrange(8, 12)
    x, y = (SIDE // 2 + rng.randrange(-3, 4) for _ in range(2))
    if kind == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif kind == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    elif kind == "triangle":
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)
    else:
        w = r // 3
        pen.rectangle((x - r, y - w, x + r, y + w), fill=colour)
        pen.rectangle((x - w, y - r, x + w, y + r), fill=colour)
    for _ in range(20):
        image.putpixel((rng.randrange(SIDE), rng.randrange(SIDE)), tuple(rng.randrange(256) for _ in range(3)))
    return image


def make_images(folder: Path, sizes: dict[str, int] = SIZES) -> Path:
    """Write FOLDER/SPLIT/CLASS/*.png with so many images of each class."""
    for split, count in sizes.items():
        for kind in CLASSES:
            rng = Random(f"{split} {kind}")
            (folder / split / kind).mkdir(parents=True)
            for number in range(count):
                draw(kind, rng).save(folder / split / kind / f"{number:04}.png")
    return folder


def make_model(folder: Path, patch: int = 8, **sizes: int) -> Path:
    """Save an untrained vision transformer for the images, with its image processor."""
    import torch
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    config = ViTConfig(**{**NETWORK, **sizes}, image_size=SIDE, patch_size=patch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    half = [0.5] * 3
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}, image_mean=half, image_std=half).save_pretrained(folder)
    return folder


def main(arguments: list[str]) -> int:
    """Write everything to the folder named on the command line."""
    if len(arguments) != 1:
        print("usage: python examples/shapes/make.py DIR", file=sys.stderr)
        return 2
    root = Path(arguments[0])
    make_images(root / "images")
    make_model(root / "vit")
    (root / "shapes.yaml").write_text(TASK, encoding="utf-8")
    print(f"lottery run --set model={root / 'vit'} data={root / 'shapes.yaml'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
