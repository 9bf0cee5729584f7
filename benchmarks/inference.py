"""What does pruning buy when the model is used? Latency, throughput, parameters and memory of full, gated, compact.

Latency: one example through transformers' own forward function. Throughput: batches of 32, by that function and, of
full and compact models, by the package's `predict`. The gated model masks what the compact one has not.
"""

from __future__ import annotations

import argparse
import statistics
import time

import common
import numpy as np

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--task", default="cola", help="GLUE task whose dev examples are used")
parser.add_argument("--batches", type=int, default=6, help="batches of 32 a round, and four times as many single ones")
parser.add_argument("--kept", type=float, nargs="+", default=[0.75, 0.5, 0.25], help="shares of components kept")
parser.add_argument("--base", action="store_true", help="BERT-base's shape with random weights instead of MiniLM")
parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU where there is one")


def bert_base():
    """BERT-base with random weights."""
    import torch
    from transformers import BertConfig

    from lottery_utils.models.load import build_classifier

    with torch.random.fork_rng(devices=[]):
        return build_classifier(BertConfig()).eval(), "BERT-base's shape, random weights"


def main() -> None:
    """Measure all models in turn, print, append."""
    options = common.arguments(__doc__, parser=parser, rounds=3)
    import copy

    import material
    import torch
    from retrain_compact import mask_of

    from lottery_utils.models.compact import compact
    from lottery_utils.models.gates import Gates
    from lottery_utils.training.batches import collate
    from lottery_utils.training.device import autocast
    from lottery_utils.training.evaluate import predict

    if options.tiny:
        options.batches, options.kept = 1, [0.5]
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    precision = "bf16" if device.type == "cuda" else "fp32"
    model, kind = bert_base() if options.base else material.classifier(0)
    _, dev, source = material.examples(options.task)
    dev = material.first(dev, 32 * options.batches)
    shape = (model.config.num_hidden_layers, model.config.num_attention_heads)
    models, gated = {"full": copy.deepcopy(model).to(device)}, {}
    for share in options.kept:
        heads, mlps = mask_of(share, *shape)
        name = f"{heads.sum()} heads, {mlps.sum()} MLPs"
        gated[f"gated, {name}"] = (heads, mlps)
        models[f"gated, {name}"] = copy.deepcopy(model).to(device)
        models[f"compact, {name}"] = compact(model, heads, mlps).to(device)
    singles = [np.array([i]) for i in range(min(4 * options.batches, len(dev)))]
    thirties = [np.arange(i, min(i + 32, len(dev))) for i in range(0, len(dev), 32)]

    def through(name: str, batches: list[np.ndarray]) -> float:
        """Seconds of a batch by transformers' forward function."""
        inputs = [collate(dev, rows, device).inputs for rows in batches]
        with torch.inference_mode(), autocast(device, precision):
            models[name](**inputs[0])
            wait(device)
            begin = time.perf_counter()
            for one in inputs:
                models[name](**one)
            wait(device)
        return (time.perf_counter() - begin) / len(batches)

    seconds: dict[str, dict[str, list[float]]] = {name: {"one": [], "many": [], "predict": []} for name in models}
    for _ in range(options.rounds):
        for name, found in seconds.items():
            gates = Gates(models[name]).set(*map(torch.from_numpy, gated[name])) if name in gated else None
            found["one"].append(through(name, singles))
            found["many"].append(through(name, thirties))
            if gates:
                gates.remove()
                continue
            begin = time.perf_counter()
            predict(models[name], dev, precision)
            found["predict"].append((time.perf_counter() - begin) / len(thirties))
    rows = []
    for name, found in seconds.items():
        parameters = sum(p.numel() for p in models[name].parameters())
        row = {"model": name, "parameters (M)": parameters / 1e6, "memory (MB)": 4e-6 * parameters}
        row["one example (ms)"] = 1e3 * statistics.median(found["one"])
        row["examples/s"] = 32 / statistics.median(found["many"])
        row["examples/s, predict"] = 32 / statistics.median(found["predict"]) if found["predict"] else "–"
        rows.append(row)
    cut = [row for row in rows if row["model"].startswith("compact")]
    half = cut[len(cut) // 2]
    what = f"{half['model']}, {kind}, {source} ({dev.lengths.mean():.1f} tokens), {precision}"
    place = ("-base" if options.base else "") + ("-gpu" if device.type == "cuda" else "")
    common.report(
        options, f"inference-latency{place}", half["one example (ms)"], rows[0]["one example (ms)"], "ms",
        what=what, than="the full model", rows=rows,
    )  # fmt: skip
    common.report(
        options, f"inference-throughput{place}", half["examples/s"], rows[0]["examples/s"], "examples/s",
        ratio=half["examples/s"] / rows[0]["examples/s"], what=what + ", batches of 32", than="the full model",
    )  # fmt: skip


def wait(device) -> None:
    """Until a GPU has done what it was given."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
