"""Does retraining a subnetwork save the time that its size promises?

The compact model is retrained, and the full model beside it, by the same procedure on the same batches. The speed-up is
held against the ratio of the encoder's floating point operations, counted for these examples: products with the weights
and attention, forward and backward. What does not shrink with the encoder (embeddings, LayerNorms, the optimiser's work
on them, Python) makes the share less than 1. The gated full model, masked and not cut, is timed too.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import statistics
import time

import common
import numpy as np

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--examples", type=int, default=640, help="train examples; one epoch a round")
parser.add_argument("--task", default="cola", help="GLUE task whose examples are used")
parser.add_argument("--kept", type=float, nargs="+", default=[0.75, 0.5, 0.25], help="shares of components kept")


def mask_of(share: float, layers: int = 6, heads: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A random mask that keeps `share` of the heads and of the MLPs: (layers, heads) and (layers,)."""
    rng = np.random.default_rng(seed)
    kept_heads, kept_mlps = np.zeros((layers, heads), bool), np.zeros(layers, bool)
    kept_heads.flat[rng.permutation(layers * heads)[: round(share * layers * heads)]] = True
    kept_mlps[rng.permutation(layers)[: round(share * layers)]] = True
    return kept_heads, kept_mlps


def encoder_flops(lengths: np.ndarray, heads: np.ndarray, mlps: np.ndarray, dim: int, width: int, inner: int) -> float:
    """Operations of a forward and backward pass (3 times forward) over examples of `lengths` tokens, in any layer
    those of every token, though both models spend less on the last one."""
    tokens, squares = float(lengths.sum()), float((lengths.astype(float) ** 2).sum())
    kept, there = heads.sum(), mlps.sum()
    weights = 2 * tokens * (4 * kept * dim * width + 2 * there * width * inner)
    return 3 * (weights + 4 * squares * kept * dim)


def main() -> None:
    """Measure each size, print, append; the size in the middle is `retrain-compact`."""
    options = common.arguments(__doc__, parser=parser)
    import material
    import torch

    from lottery_utils.models.compact import compact
    from lottery_utils.models.gates import Gates
    from lottery_utils.presets import get_preset
    from lottery_utils.training.finetune import finetune

    if options.tiny:
        options.examples, options.kept = 64, [0.5]
    train, _, source = material.examples(options.task)
    train = material.first(train, options.examples)
    model, kind = material.classifier(0)
    preset = dataclasses.replace(get_preset("laptop"), epochs=1, precision="fp32")
    config = model.config
    shape = (config.num_hidden_layers, config.num_attention_heads)
    sizes = (config.hidden_size // shape[1], config.hidden_size, config.intermediate_size)
    masks = {share: mask_of(share, *shape) for share in options.kept}
    pruned = {share: compact(model, *mask) for share, mask in masks.items()}
    finetune(copy.deepcopy(model), material.first(train, 64), preset, ("bench", 0))  # imports are no part of the work

    def seconds(copied, round_: int) -> float:
        begin = time.perf_counter()
        finetune(copied, train, preset, ("bench", round_))
        return time.perf_counter() - begin

    def train_of(start, round_: int) -> float:
        return seconds(copy.deepcopy(start), round_)

    def gated(share: float, round_: int) -> float:
        whole = copy.deepcopy(model)
        with Gates(whole).set(*(torch.from_numpy(part) for part in masks[share])):
            return seconds(whole, round_)

    timings = {name: common.Timing() for name in ("full", *options.kept, "gated")}
    middle = options.kept[len(options.kept) // 2]
    for round_ in range(options.rounds):
        timings["full"].note(train_of(model, round_))
        for share in options.kept:
            timings[share].note(train_of(pruned[share], round_))
        if round_ == 0:
            timings["gated"].note(gated(middle, round_))
    whole = encoder_flops(train.lengths, *mask_of(1.0, *shape), *sizes)
    rows = []
    for share, (heads, mlps) in masks.items():
        flops = whole / encoder_flops(train.lengths, heads, mlps, *sizes)
        pairs = [a / b for a, b in zip(timings["full"].wall, timings[share].wall)]
        speed = statistics.median(pairs)
        rows.append({
            "heads": int(heads.sum()), "MLPs": int(mlps.sum()), "seconds": timings[share].median,
            "speed-up": speed, "ratio of FLOPs": flops, "share of it": speed / flops,
        })  # fmt: skip
    found = rows[options.kept.index(middle)]
    against = timings["gated"].median / timings[middle].median
    common.report(
        options,
        "retrain-compact",
        found["speed-up"],
        found["ratio of FLOPs"],
        "times",
        ratio=found["share of it"],
        what=f"speed-up of retraining {kind} with {found['heads']} of {shape[0] * shape[1]} heads and {found['MLPs']} "
        f"of {shape[0]} MLPs, {len(train)} examples of {source} ({train.lengths.mean():.1f} tokens), "
        "over the full model by the same code",
        than="ratio of the encoder's floating point operations; the field ratio is the share of it that is reached",
        note=f"over the gated full model, masked and not cut: {against:.1f} times; "
        f"the full model took {timings['full'].median:.1f} s",
        timings={"full": timings["full"], "compact": timings[middle]},
        rows=rows,
    )


if __name__ == "__main__":
    main()
