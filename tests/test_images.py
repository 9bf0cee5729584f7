"""Images in class folders and a vision transformer: the same study, with another anatomy and other data."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
import small_world
import torch
from PIL import Image
from tiny import SIDE, tiny_config

from lottery_utils import load_compact
from lottery_utils.cli import main
from lottery_utils.errors import UserError
from lottery_utils.experiment.cells import Cell, plan
from lottery_utils.experiment.fingerprints import Fingerprints
from lottery_utils.experiment.store import Store
from lottery_utils.experiment.study import open_study
from lottery_utils.models.images import load_image_reader
from lottery_utils.models.source import model_fingerprint
from lottery_utils.presets import get_preset
from lottery_utils.report import tables
from lottery_utils.tasks.images import open_image
from lottery_utils.tasks.load import load_task
from lottery_utils.training.pictures import read_pictures

ROOT = Path(__file__).resolve().parent.parent
CLASSES = ("bright spot", "dark spot")
SETTINGS = {"epochs": 6, "learning_rate": 3e-3, "batch_size": 16, "warmup": 0.1}
TASK = "name: spots\ntitle: Spots\nimages: my images\nmetrics: [accuracy, f1]\n"


def draw(rng: Random, label: int) -> Image.Image:
    """A spot on grey, bright or dark, in one of the modes that image files have."""
    image = Image.new("RGB", (SIDE + rng.randrange(5), SIDE), (120, 128, 136))
    x, y = (rng.randrange(SIDE - 5) for _ in range(2))
    image.paste((20, 20, 20) if label else (235, 235, 235), (x, y, x + 5, y + 5))
    return image.convert(rng.choice(("RGB", "RGB", "L", "RGBA", "P")))


def make_folder(root: Path, splits: dict[str, int], seed: int = 0) -> Path:
    """Write so many images of each class to each split; "" is the folder itself."""
    for split, count in splits.items():
        for label, name in enumerate(CLASSES):
            rng = Random(f"{seed} {split} {name}")
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                draw(rng, label).save(folder / f"a {number}.png")
    return root


def make_vit(folder: Path, processor: bool = True, **change) -> Path:
    """A tiny random vision transformer, with or without its image processor's file."""
    from transformers import ViTImageProcessorPil, ViTModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = tiny_config("vit", layers=2)
        for name, value in change.items():
            setattr(config, name, value)
        ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    if processor:
        ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}, image_std=[0.3] * 3).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A task of images, a vision transformer and the settings to study them."""
    root = tmp_path_factory.mktemp("images")
    make_folder(root / "my images", {"train": 60, "val": 24})
    (root / "task.yaml").write_text(TASK, encoding="utf-8")
    return {**SETTINGS, "model": str(make_vit(root / "vit")), "data": str(root / "task.yaml")}


def described(folder: Path, **change) -> str:
    """The task's YAML beside a folder of images, with other keys."""
    content = {"name": "spots", "images": "my images", **change}
    (folder / "task.yaml").write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    return str(folder / "task.yaml")


def refused(data: str, model: str | None = None) -> str:
    """The one line with which a description, its images or the model are refused."""
    with pytest.raises(UserError) as caught:
        get_preset("demo", {"data": data})
        found = load_task("spots", data)
        read_pictures(load_image_reader(model), found.train)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- folders


def test_train_and_dev_of_a_folder(world):
    found = load_task("spots", world["data"])
    assert (len(found.train), len(found.dev), found.partial) == (120, 48, False)
    assert found.task.label_names == CLASSES and found.task.images and found.source.endswith("train and val")
    assert [path.parent.name for path in found.dev.files] == [CLASSES[label] for label in found.dev.labels]
    assert 0.2 < found.train.labels[:40].mean() < 0.8  # a limit keeps a mixture of classes
    assert len(load_task("spots", world["data"], 30).train.files) == 30


def test_dev_is_drawn_by_content_where_there_is_no_folder(tmp_path):
    make_folder(tmp_path / "my images", {"": 20})
    found = load_task("spots", described(tmp_path))
    held = set(found.dev.texts)
    assert len(found.dev) in (8, 9) and not held & set(found.train.texts)
    assert "dev is drawn" in " ".join(found.notes)
    for path in sorted((tmp_path / "my images").rglob("*.png")):
        path.rename(path.with_name(f"{hash(path.name) % 1000}-{path.name}"))
    again = load_task("spots", described(tmp_path))
    assert set(again.dev.texts) == held and again.fingerprint == found.fingerprint
    (tmp_path / "my images" / "train").mkdir()
    for name in CLASSES:
        (tmp_path / "my images" / name).rename(tmp_path / "my images" / "train" / name)
    assert load_task("spots", described(tmp_path)).fingerprint == found.fingerprint  # a train folder alone


def test_labels_choose_order_and_names(tmp_path):
    make_folder(tmp_path / "my images", {"train": 3, "test": 2})
    found = load_task("spots", described(tmp_path, labels={"dark spot": "dark", "bright spot": "bright"}))
    assert found.task.label_names == ("dark", "bright") and found.dev.files[0].parent.parent.name == "test"
    assert [path.parent.name == "dark spot" for path in found.dev.files] == (found.dev.labels == 0).tolist()


def test_notes_tell_what_is_left_out_and_what_is_twice(tmp_path):
    root = make_folder(tmp_path / "my images", {"train": 4, "dev": 2})
    (root / "train" / CLASSES[0] / "notes.txt").write_text("x")
    (root / "train" / ".hidden").mkdir()
    first = next((root / "train" / CLASSES[0]).glob("*.png"))
    for other in (root / "dev" / CLASSES[0], root / "train" / CLASSES[1]):
        (other / "copy.png").write_bytes(first.read_bytes())
    notes = " ".join(load_task("spots", described(tmp_path)).notes)
    for said in ("1 files that are no", "1 images are in more than one class", "1 of 5 images that are in train"):
        assert said in notes, said


def break_it(root: Path, how: str) -> None:
    """Damage a folder of images in one way."""
    train, first = root / "train", root / "train" / CLASSES[0]
    if how == "truncated":
        path = first / "a 0.png"
        path.write_bytes(path.read_bytes()[:-30])
    elif how == "no image":
        (first / "b.jpg").write_text("<html>")
    elif how == "empty class":
        (train / "void").mkdir()
    elif how == "only others":
        (train / "void").mkdir()
        (train / "void" / "a.gz").write_text("x")
    elif how == "unknown class":
        (root / "val" / "void").mkdir()
    elif how == "one class":
        for path in first.iterdir():
            path.unlink()
        first.rmdir()
    elif how == "program":  # Pillow would hand it to Ghostscript
        (first / "b.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    elif how == "huge":
        header = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + (60_000).to_bytes(4) * 2 + bytes((8, 2, 0, 0, 0))
        (first / "b.png").write_bytes(header + bytes(4))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("truncated", "a 0.png: cannot be read as an image"),
        ("no image", "b.jpg: cannot be read as an image (no image of the kinds PNG"),
        ("empty class", "void has no images"),
        ("only others", "found 'a.gz'"),
        ("unknown class", "'void' is not among the classes 'bright spot', 'dark spot'"),
        ("one class", "has one class, 'dark spot'; two or more are needed"),
        ("program", "b.png: cannot be read as an image (no image of the kinds"),
        ("huge", "b.png: cannot be read as an image"),
    ],
)
def test_every_damaged_folder_is_one_line(tmp_path, how, said):
    root = make_folder(tmp_path / "my images", {"train": 2, "val": 2})
    break_it(root, how)
    assert said in refused(described(tmp_path))


def test_what_is_no_folder_of_images_is_one_line(tmp_path):
    assert "my images does not exist" in refused(described(tmp_path))
    (tmp_path / "my images").write_text("x")
    assert "my images is not a folder" in refused(described(tmp_path))
    (tmp_path / "empty").mkdir()
    assert "no class folders; expected FOLDER/train/CLASS/*.png" in refused(described(tmp_path, images="empty"))
    make_folder(tmp_path / "single", {"": 1})
    assert "one image only" in refused(described(tmp_path, images="single"))
    make_folder(tmp_path / "two", {"train": 2, "dev": 2})
    assert "no class folder 'third'" in refused(described(tmp_path, images="two", labels=[*CLASSES, "third"]))
    assert "is not among the classes" in refused(described(tmp_path, images="two", labels=[CLASSES[0], "third"]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": "text"}, "columns is for texts"),
        ({"train": "a.csv"}, "train is for texts"),
        ({"score_range": [0, 1]}, "score_range is for texts"),
        ({"images": 5}, "does not exist"),
        ({"images": ["a"]}, "images must be one line of text"),
        ({"labels": ["only"]}, "two values or more"),
        ({"metrics": "pearson"}, "accuracy, f1, mcc"),
        ({"labels": ["a", "b", "c"], "metrics": "f1"}, "got 3 labels"),
    ],
)
def test_wrong_keys_are_one_line(tmp_path, change, said):
    assert said in refused(described(tmp_path, **change))


# ---- one image


def test_every_mode_becomes_upright_rgb_on_white(tmp_path):
    grey = np.full((4, 6), 200, np.uint8)
    clear = np.zeros((4, 6, 4), np.uint8)
    clear[:2] = (10, 20, 30, 255)
    images = {
        "grey.png": Image.fromarray(grey),
        "deep.png": Image.fromarray(grey.astype(np.uint16) * 256),
        "clear.png": Image.fromarray(clear),
        "bits.png": Image.fromarray(grey > 0),
    }
    for name, image in images.items():
        image.save(tmp_path / name)
    found = {name: np.asarray(open_image(tmp_path / name)) for name in images}
    assert all(array.shape == (4, 6, 3) and array.dtype == np.uint8 for array in found.values())
    assert (found["grey.png"] == 200).all() and (found["deep.png"] == 200).all() and (found["bits.png"] == 255).all()
    assert (found["clear.png"][:2] == (10, 20, 30)).all() and (found["clear.png"][2:] == 255).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # lying on its side
    Image.fromarray(grey).save(tmp_path / "turned.jpg", exif=exif)
    assert open_image(tmp_path / "turned.jpg").size == (4, 6)
    palette = Image.fromarray(grey).convert("P")
    palette.save(tmp_path / "palette.gif", transparency=palette.getpixel((0, 0)))
    assert (np.asarray(open_image(tmp_path / "palette.gif")) == 255).all()


@pytest.mark.parametrize("channels", [3, 1])
def test_two_steps_are_what_the_processor_does(world, tmp_path, channels):
    folder = world["model"] if channels == 3 else make_vit(tmp_path / "grey", False, num_channels=1)
    reader = load_image_reader(str(folder))
    images = [reader.coloured(open_image(path)) for path in load_task("spots", world["data"]).dev.files[:6]]
    want = reader.processor(images=images, return_tensors="pt")["pixel_values"]
    found = reader.scaled(torch.from_numpy(np.stack([reader.sized(image) for image in images])))
    torch.testing.assert_close(found, want, atol=1e-6, rtol=0)
    assert reader.tokens == 10 and found.shape[1:] == reader.shape == (channels, SIDE, SIDE)


def test_a_processor_is_found_checked_and_counted(world, tmp_path):
    plain = str(make_vit(tmp_path / "plain", processor=False))
    assert load_image_reader(plain).sized(Image.new("RGB", (30, 50))).shape == (3, SIDE, SIDE)
    assert model_fingerprint(plain) != model_fingerprint(world["model"])
    file = tmp_path / "plain" / "preprocessor_config.json"
    small = '{"image_processor_type": "ViTImageProcessor", "size": {"height": 8, "width": 8}}'
    for content, said in (
        (small, "the model takes (3, 12, 12)"),
        ("{", "preprocessor_config.json cannot be used"),
        ('{"image_processor_type": "Nothing"}', "cannot be used"),
        ('{"auto_map": {"AutoImageProcessor": "mine.py"}}', "asks for code of its own"),
    ):
        file.write_text(content)
        assert said in refused(world["data"], plain)


def test_models_of_text_and_of_images_are_told_apart(world, tmp_path):
    text = str(small_world.make_model(tmp_path / "bert"))
    assert "(bert) reads text; the task's examples are images" in refused(world["data"], text)
    small_world.make_task(tmp_path / "data")
    for change in ({"model": text}, {"data": str(tmp_path / "data"), "tasks": ["sst2"]}):
        study = open_study("laptop", seeds=[1], overrides={**world, **change}, results_dir=tmp_path / "results")
        with pytest.raises(UserError, match="reads (text|images)"):
            study.run(["finetune"], progress=False, engine="serial")
    assert not list(Store(tmp_path / "results").addresses())


def test_another_image_is_another_address(tmp_path, world):
    root = make_folder(tmp_path / "my images", {"train": 2, "dev": 2})
    preset = get_preset("laptop", {**world, "data": described(tmp_path)})
    store = Store(tmp_path / "results")
    store.prepare()
    before = Fingerprints(preset, store).data("spots")
    draw(Random(99), 0).save(root / "train" / CLASSES[0] / "a 0.png")
    assert Fingerprints(preset, store).data("spots") != before


def test_baselines_of_words_are_not_planned(world, tmp_path):
    cells = plan(get_preset("laptop", world), ["baseline"])
    assert {cell.subnetwork for cell in cells} == {"majority", "random_init"}
    with pytest.raises(UserError, match="nothing to run"):
        plan(get_preset("laptop", world), ["baseline"], None, ["cbow"])
    study = open_study("laptop", None, [1], world, tmp_path / "results")
    summary = study.run_cells([Cell("spots", 1, "baseline", "", "cbow")], engine="serial", progress=False)
    assert "reads words" in " ".join(summary.failed.values())


# ---- the whole study


@pytest.fixture(scope="module")
def study(world, tmp_path_factory):
    """The study of the images, computed."""
    study = open_study("laptop", None, [1], world, tmp_path_factory.mktemp("images-results"))
    summary = study.run(subnetworks=["good", "bad"], engine="serial", progress=False)
    assert summary.ok, summary.failed
    return study


@pytest.mark.slow
def test_a_vision_transformer_learns_and_is_pruned(study):
    table = study.table()
    full = table[table["stage"] == "finetune"]["score"].iloc[0]
    good = table[(table["stage"] == "score") & (table["subnetwork"] == "good")]
    assert full > 0.8 and (good["score"] >= 0.9 * full).all()
    structured = good[good["method"] == "structured"].iloc[0]
    assert structured["share_heads"] < 1 and structured["share_prunable"] < 1
    record = study.record("spots/1/finetune/full")
    assert record["task"]["images"] and record["data_rows"] == {"train": 120, "dev": 48}


@pytest.mark.slow
def test_an_exported_vision_transformer_is_loaded_by_transformers_alone(study, world, tmp_path, capsys):
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    out = tmp_path / "out"
    pairs = [f"{key}={value}" for key, value in world.items()]
    options = ["--preset", "laptop", "--seeds", "1", "--results", str(study.store.root), "--set", *pairs]
    name = "spots/1/retrain/structured/good"
    assert main(["export", name, str(out), *options]) == 0
    assert "AutoModelForImageClassification" in capsys.readouterr().out
    processor = AutoImageProcessor.from_pretrained(out)
    images = [open_image(path) for path in load_task("spots", world["data"]).dev.files]
    inputs = processor(images=images, return_tensors="pt")
    with torch.no_grad():
        dense = AutoModelForImageClassification.from_pretrained(out).eval()(**inputs).logits
        torch.testing.assert_close(load_compact(out)(**inputs).logits, dense, atol=1e-4, rtol=0)
    assert (dense.argmax(1).numpy() == study.predictions(name)["predictions"]).all()
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: image-classification" in card and "AutoImageProcessor" in card and "12 x 12 pixels" in card
    assert "nyu-mll" not in card and "text-classification" not in card


@pytest.mark.slow
def test_pages_know_the_task(study):
    html = tables.task_table(study).to_html()
    assert "Spots" in html and "bright spot, dark spot" in html and "GLUE" not in html


def test_the_example_makes_what_the_page_says(tmp_path):
    spec = importlib.util.spec_from_file_location("make_shapes", ROOT / "examples" / "shapes" / "make.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    page = (ROOT / "book" / "own_task.md").read_text(encoding="utf-8")
    assert "name: shapes" in example.TASK and "images: images" in page and f"{4 * 300:,} drawn shapes" in page
    example.make_images(tmp_path / "images", {"train": 2, "dev": 1})
    (tmp_path / "shapes.yaml").write_text(example.TASK, encoding="utf-8")
    found = load_task("shapes", str(tmp_path / "shapes.yaml"))
    assert (len(found.train), len(found.dev), found.task.label_names) == (8, 4, example.CLASSES)
    model = example.make_model(tmp_path / "vit", num_hidden_layers=1)
    assert read_pictures(load_image_reader(str(model)), found.dev).pixels.shape == (4, 3, 32, 32)
