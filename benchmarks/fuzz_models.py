"""Fuzz tests of models: masks and importances, checkpoints."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import small_world
import torch
from fuzz_common import ATOMS, TEXTS, VALUES, Tally, bytes_damage, over
from hypothesis import strategies as st
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_tensors
from tiny import tiny_model

from lottery_utils.errors import CellFailed, UserError
from lottery_utils.models.compact import compact
from lottery_utils.models.load import load_classifier, load_tokenizer
from lottery_utils.models.source import model_fingerprint
from lottery_utils.pruning.masks import StructuredMask, WeightMask, load_mask
from lottery_utils.pruning.structured import remove_lowest


def masks(tally: Tally, folder: Path):
    """Mask files with damaged bytes or foreign content, masks of any shape and type, scores that are not finite."""
    path, model = folder / "mask.safetensors", tiny_model(layers=2, heads=2, hidden=8, mlp=8)
    made = StructuredMask(np.array([[True, False], [True, True]]), np.array([True, False]))
    weights = WeightMask({"classifier.weight": torch.rand(3, 8, generator=torch.Generator().manual_seed(1)) > 0.5})
    kinds = st.sampled_from([np.bool_, np.int64, np.float32, np.uint8, np.complex64, "U1", "O"])
    shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple) | st.just((2, 2)) | st.just((2,))
    filled = lambda shape, kind, value: np.full(shape, value).astype(kind)  # noqa: E731
    array = st.builds(filled, shapes, kinds, st.sampled_from([0, 1]))
    other = ATOMS | st.lists(st.booleans(), max_size=3)

    @over(st.randoms(use_true_random=False), st.booleans())
    def files(draw, structured):
        (made if structured else weights).save(path, {"cell": "x"})
        content = path.read_bytes()
        path.write_bytes(bytes_damage(content, draw))
        with tally.judged("mask files"):
            load_mask(path)

    sizes = VALUES | st.lists(st.integers(-2, 9), max_size=2)
    shaped_as = st.dictionaries(st.sampled_from(["heads", "mlps", "x"]), sizes, max_size=3)
    abouts = st.builds(lambda kind, shapes: json.dumps({"kind": kind, "shapes": shapes}), VALUES, shaped_as)
    texts = TEXTS | VALUES.map(json.dumps) | abouts

    @over(st.dictionaries(st.sampled_from(["mask", "kind", "shapes"]), texts, max_size=2))
    def headers(meta):
        try:
            save_file({"heads": np.zeros(1, np.uint8), "mlps": np.zeros(1, np.uint8)}, str(path), meta)
        except UnicodeEncodeError:
            return
        with tally.judged("mask headers"):
            load_mask(path)

    @over(array | other, array | other)
    def shaped(heads, mlps):
        with tally.judged("masks"):
            mask = StructuredMask(heads, mlps)
            if mask.heads.shape == (2, 2):
                small = compact(model, mask.heads, mask.mlps)
                with torch.no_grad():
                    logits = small(input_ids=torch.ones(1, 3, dtype=torch.long)).logits
                if not torch.isfinite(logits).all():
                    tally.wrong("mask", repr(mask))
            else:
                with contextlib.suppress(ValueError):
                    compact(model, mask.heads, mask.mlps)
                    tally.wrong("mask", f"shape {mask.heads.shape} fits a 2 x 2 model")

    @over(st.lists(st.floats(), min_size=4, max_size=4), st.integers(0, 5))
    def scores(values, amount):
        with tally.judged("importances"):
            kept = np.array([[True, True], [False, True]])
            try:
                after = remove_lowest(kept, np.array(values).reshape(2, 2), amount)
            except CellFailed as error:  # which a run turns into one line
                raise UserError(str(error)) from None
            if after.sum() != max(0, 3 - amount) or (after & ~kept).any():
                tally.wrong("importance", f"{values}, {amount}: {after}")

    return [files, headers, shaped, scores]


def checkpoints(tally: Tally, folder: Path):
    """Model directories with damaged files, other fields, lacking or foreign tensors."""
    source, target = small_world.make_model(folder / "source"), folder / "model"
    files = sorted(path.name for path in source.iterdir())
    config = json.loads((source / "config.json").read_text())
    tensors = load_file(source / "model.safetensors")

    def fresh() -> Path:
        shutil.rmtree(target, ignore_errors=True)
        return shutil.copytree(source, target)

    def use() -> None:
        model_fingerprint(str(target))
        load_tokenizer(str(target))(["the film was fine"], truncation=True)
        load_classifier(str(target), 2)

    @over(st.sampled_from(files), st.randoms(use_true_random=False))
    def damaged(name, draw):
        path = fresh() / name
        path.write_bytes(bytes_damage(path.read_bytes(), draw))
        with tally.judged("checkpoint files"):
            use()

    small = st.none() | st.booleans() | st.integers(-3, 64) | st.floats() | TEXTS
    small |= st.lists(st.integers(0, 3), max_size=2)
    fields = st.sampled_from([*config, "auto_map", "architectures", "quantization_config", "id2label", "pad_token_id"])

    @over(st.dictionaries(fields, small | st.dictionaries(TEXTS, small, max_size=2), min_size=1, max_size=2))
    def configured(changes):
        try:
            (fresh() / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
        except UnicodeEncodeError:
            return
        with tally.judged("checkpoint settings"):
            use()

    ways = st.sampled_from(["gone", "renamed", "cut", "grown", "integers", "halves", "nan"])

    @over(st.sampled_from(sorted(tensors)), ways)
    def keyed(name, how):
        changed = dict(tensors)
        value = changed.pop(name)
        new = {"renamed": value, "cut": value[..., :-1], "grown": torch.cat([value, value]), "integers": value.long()}
        new |= {"halves": value.half(), "nan": value * float("nan")}
        if how != "gone":
            changed[name + "x" if how == "renamed" else name] = new[how].contiguous()
        save_tensors(changed, fresh() / "model.safetensors")
        with tally.judged("checkpoint tensors"):
            use()

    return [damaged, configured, keyed]
