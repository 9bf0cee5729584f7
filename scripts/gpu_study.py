"""The study `base` on a GPU machine without network: pack and unpack there, run, bring the records, take them here.

    python scripts/gpu_study.py pack MODEL DATA PARTS      here: the model and the tasks' data, in parts of 40 MB
    python scripts/gpu_study.py unpack PARTS TARGET        there, once all parts are there
    python scripts/gpu_study.py run TARGET RESULTS         there: cells that are not stored, for --minutes
    python scripts/gpu_study.py bring RESULTS FILES        there: the records, in at most 8 files of 16 MB
    python scripts/gpu_study.py take FILES RECORDS         here: into the packs of a folder of records

Run it in the repository's folder, with PYTHONPATH=. where the package is not installed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import gpu_crew
from parts import read_parts, write_parts

from lottery_utils.errors import UserError, usable_path
from lottery_utils.presets import get_preset, limits_of

PRESET = "base"
MODEL, DATA = "model", "data"  # folders of what is unpacked
ROUNDED = "rounded-to-bf16"  # in the name of a model's folder, and so in every record made with it


def pack(options: argparse.Namespace) -> int:
    """Write the parts of a model and of the data that the preset reads."""
    with tempfile.TemporaryDirectory(dir=_parent(options.out)) as folder:
        packed = carry_model(options.model, Path(folder, MODEL), options.dtype)
        carry_data(options.data, Path(folder, DATA))
        parts = write_parts(Path(folder), options.out, options.part_mb)
    print(f"{packed.name} and its tasks' data: {len(parts)} parts in {options.out}, and their list")
    return 0


def carry_model(model: str, folder: Path, dtype: str) -> Path:
    """Copy config, tokenizer and weights of `model` into a folder of its name in `folder`; weights in bf16 or as is."""
    from lottery_utils.models.source import TOKENIZER_FILES, model_dir, model_fingerprint, model_name

    source = model_dir(model)
    name = model_name(model).rpartition("/")[2]
    target = folder / (f"{name}-{ROUNDED}" if dtype == "bf16" else name)
    target.mkdir(parents=True)
    for name in ("config.json", *TOKENIZER_FILES):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    for path in (*source.glob("*.index.json"), *source.glob("*.safetensors")):
        round_weights(path, target / path.name) if dtype == "bf16" else shutil.copyfile(path, target / path.name)
    if dtype == "bf16":
        text = "Weights rounded to bf16 for transport; they are read as float32. Before, the model's fingerprint was"
        (target / "ROUNDED.txt").write_text(f"{text}\n{model_fingerprint(model)}.\n", encoding="utf-8")
    return target


def round_weights(path: Path, target: Path) -> None:
    """Write a file of weights with its float32 tensors in bf16; any other file as it is."""
    if path.suffix != ".safetensors":
        shutil.copyfile(path, target)
        return
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(path)
    for name, value in weights.items():
        if value.dtype == torch.float32:
            weights[name] = value.to(torch.bfloat16)
    save_file(weights, target, metadata={"format": "pt"})


def carry_data(data: str, folder: Path) -> None:
    """Copy the files of the preset's tasks, those of test splits left out; raises UserError for unusable ones."""
    from lottery_utils.tasks.load import load_task

    preset = get_preset(PRESET)
    for task in preset.tasks:
        load_task(task, data, limits_of(preset, task))
        places = [p for p in Path(data).iterdir() if p.is_dir() and p.name.lower().replace("-", "") == task]
        if len(places) != 1:
            raise UserError(f"{data} has {len(places)} folders of {task}, expected one beside those of the other tasks")
        (folder / places[0].name).mkdir(parents=True)
        for path in places[0].iterdir():
            if path.is_file() and not path.name.startswith("test"):
                shutil.copyfile(path, folder / places[0].name / path.name)


def unpack(options: argparse.Namespace) -> int:
    """Check the parts and unpack them."""
    read_parts(options.parts, options.target)
    print(f"{model_in(options.target).name} and its data are in {options.target}")
    return 0


def model_in(target: Path) -> Path:
    """The model's folder in what was unpacked."""
    folders = sorted(target.glob(f"{MODEL}/*/config.json"))
    if len(folders) != 1:
        raise UserError(f"{target} holds {len(folders)} models, expected the one that 'unpack' leaves there")
    return folders[0].parent


def run(options: argparse.Namespace) -> int:
    """Compute what is missing on one GPU by processes that share it; 1 where a cell failed."""
    try:
        changes = json.loads(options.set)
    except ValueError:
        raise UserError(f"--set must be a JSON object of fields of the preset, got {options.set!r}") from None
    changes |= {"model": str(model_in(options.target)), "data": str(options.target / DATA)}
    work = gpu_crew.Work(PRESET, changes, str(options.results))
    return gpu_crew.run(work, options.tasks, options.seeds, options.workers, 60 * options.minutes)


def bring(options: argparse.Namespace) -> int:
    """Write the records of a results folder, packed, as a few files."""
    from lottery_utils.experiment.packing import pack, packed_lines
    from lottery_utils.experiment.store import Store

    store = Store(options.results)
    if not store.root.is_dir():
        raise UserError(f"there is no results directory {options.results}; name the one that 'run' was given")
    with tempfile.TemporaryDirectory(dir=_parent(options.out)) as folder:
        packs = Path(folder, "packs")
        done = pack(store, packs)
        print("\n".join(packed_lines(done, packs)[:-1]))
        for path in packs.iterdir():
            if options.tasks and path.name.rpartition("-")[0] not in options.tasks:
                path.unlink()
        if not any(packs.iterdir()):
            raise UserError(f"{options.results} holds no finished cell to bring; run cells first, or name other tasks")
        parts = write_parts(packs, options.out, options.mb, options.files)
    print(f"{len(parts)} parts in {options.out}, and their list")
    return int(bool(done.damaged))


def take(options: argparse.Namespace) -> int:
    """Put the records of brought files into the packs of a folder; cells that it has stay."""
    from lottery_utils.experiment.packing import pack, packed_lines, unpack
    from lottery_utils.experiment.store import Store

    with tempfile.TemporaryDirectory(dir=_parent(options.records)) as folder:
        packs, cells = Path(folder, "packs"), Path(folder, "cells")
        read_parts(options.files, packs)
        unpack(packs, cells)
        done = pack(Store(cells), options.records)
    print("\n".join(packed_lines(done, options.records)))
    return int(bool(done.damaged))


def _parent(path: Path) -> Path:
    """The folder that `path` lies in, made where it is missing: large files in between belong there, not in memory."""
    usable_path("the path", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent


def arguments(words: list[str]) -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(required=True, metavar="STEP")

    def step(work, *places: str) -> argparse.ArgumentParser:
        added = steps.add_parser(work.__name__, help=work.__doc__.splitlines()[0])
        for place in places:
            added.add_argument(place, type=str if place in ("model", "data") else Path, metavar=place.upper())
        added.set_defaults(work=work)
        return added

    packed = step(pack, "model", "data", "out")
    packed.add_argument("--dtype", choices=("bf16", "fp32"), default="bf16", help="of the weights (default: bf16)")
    packed.add_argument("--part-mb", type=float, default=40, metavar="MB", help="size of a part (default: 40)")
    step(unpack, "parts", "target")
    ran = step(run, "target", "results")
    ran.add_argument("--tasks", nargs="+", metavar="TASK")
    ran.add_argument("--seeds", nargs="+", type=int, metavar="SEED")
    ran.add_argument("--workers", type=int, default=8, help="processes that share the GPU (default: 8)")
    ran.add_argument("--minutes", type=float, default=8, help="until it stops and can be started again (default: 8)")
    ran.add_argument("--set", default="{}", metavar="JSON", help="fields of the preset to change, as a JSON object")
    brought = step(bring, "results", "out")
    brought.add_argument("--tasks", nargs="+", metavar="TASK", help="only these, where all are too much")
    brought.add_argument("--files", type=int, default=8, help="at most, their list included (default: 8)")
    brought.add_argument("--mb", type=float, default=16, help="size of a file (default: 16)")
    step(take, "files", "records")
    return parser.parse_args(words)


def main(*words: str) -> int:
    """Take one step; 2 for bad input, in one line."""
    options = arguments(list(words))
    try:
        return options.work(options)
    except UserError as error:
        print(f"gpu_study: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop as on Ctrl-C: the store stays clean
    sys.exit(main(*sys.argv[1:]))
