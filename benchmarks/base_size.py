"""BERT-base's size (12 layers, 12 heads, 768 wide) on a CPU: how near training comes to the processor's own products,
to HF Trainer, and what bfloat16 gains in a search.

Three comparisons, all in bfloat16 where the processor has it: a training step beside the matrix products it is made of,
timed alone; the same step beside HF Trainer's with batches of like lengths; a structured search in bfloat16 beside one
in float32, with the good subnetworks they find. `--model` names weights of this size (a folder or hub id), random ones
stand in for it. `--checkpoint` is a fine-tuned `model.safetensors` of a study of that model: the search then runs
on real labels, else on the model's own predictions as labels, so that it has something to lose.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import resource

import common

parser = argparse.ArgumentParser(description="BERT-base's size on a CPU: products, Trainer, bfloat16.")
parser.add_argument("--model", help="folder or hub id of weights with 12 layers, 12 heads, 768 wide")
parser.add_argument("--checkpoint", help="fine-tuned weights of --model on --search-task")
parser.add_argument("--data", help="folder of GLUE's data (default: beside the repository)")
parser.add_argument("--task", default="mrpc", help="GLUE task of the training steps")
parser.add_argument("--search-task", default="rte", help="GLUE task of the search")
parser.add_argument("--examples", type=int, default=160, help="train examples: five steps of 32")
parser.add_argument("--dev", type=int, default=128, help="dev examples of the search")
parser.add_argument("--only", nargs="+", default=["step", "search"], choices=["step", "search"])


def weights(options: argparse.Namespace, outputs: int):
    """A classifier of BERT-base's size, and what it is."""
    import torch
    from transformers import BertConfig

    from lottery_utils.models.load import build_classifier, load_classifier
    from lottery_utils.models.source import model_name

    if options.model:
        return load_classifier(options.model, outputs, seed=1), model_name(options.model)
    small = dict(num_hidden_layers=2, hidden_size=48, intermediate_size=96) if options.tiny else {}
    torch.manual_seed(1)
    return build_classifier(BertConfig(num_labels=outputs, **small)).eval(), "random weights of BERT-base's shape"


def examples(options: argparse.Namespace, task: str):
    """Train and dev examples of a task as the model reads them, and the task."""
    import material

    from lottery_utils.models.load import load_tokenizer
    from lottery_utils.tasks.glue import get_task
    from lottery_utils.tasks.load import load_task
    from lottery_utils.training.batches import encode

    data = options.data or material.glue()
    if not (options.model and data):
        train, dev, _ = material.examples(task)
        return train, dev, get_task(task)
    found, tokenizer = load_task(task, data), load_tokenizer(options.model)
    return encode(tokenizer, found.train, 128), encode(tokenizer, found.dev, 128), found.task


def product_seconds(model, tokens: float, precision: str, rounds: int = 5) -> float:
    """Seconds of the matrix products of one training step over `tokens` tokens: encoder, forward and both backward.

    Products of attention scores, which are a few per cent at these lengths, are left out.
    """
    import statistics
    import time

    import torch

    config, rows = model.config, round(tokens)
    width, inner = config.hidden_size, config.intermediate_size
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    total = 0.0
    for inputs, outputs, count in ((width, width, 4), (width, inner, 1), (inner, width, 1)):
        x, w, g = (torch.randn(s).to(kind) for s in ((rows, inputs), (outputs, inputs), (rows, outputs)))
        times = []
        for _ in range(rounds):
            begin = time.perf_counter()
            x @ w.t(), g @ w, g.t() @ x
            times.append(time.perf_counter() - begin)
        total += count * statistics.median(times)
    return total * config.num_hidden_layers


def step(options: argparse.Namespace, precision: str) -> None:
    """A training step beside its products, and beside HF Trainer's."""
    import material
    from finetune import settings, trainer_of

    from lottery_utils.training.finetune import finetune

    train, _, task = examples(options, options.task)
    train = material.first(train, options.examples)
    model, kind = weights(options, task.num_labels)
    preset = dataclasses.replace(settings(argparse.Namespace(epochs=1)), precision=precision)
    steps = -(-len(train) // preset.batch_size)
    finetune(copy.deepcopy(model), train, preset, ("bench", 0))  # kernels are made once
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # of ours alone, before Trainer runs
    sides = {"ours": lambda: finetune(copy.deepcopy(model), train, preset, ("bench", 0))}
    if common.has("accelerate", "HF Trainer"):
        sides["trainer"] = lambda: trainer_of(copy.deepcopy(model), train, preset, 0, None).train()
    timings, _ = common.alternate(options.rounds, **sides)
    tokens = train.lengths.sum() / steps
    products = product_seconds(model, tokens, precision)
    ours = timings["ours"].median / steps
    what = f"a step of 32, {precision}, {kind}, {len(train)} examples of {task.title} ({tokens:.0f} tokens a step)"
    flops = 6 * tokens * sum(p.numel() for n, p in model.named_parameters() if "encoder" in n and p.dim() > 1)
    common.report(
        options, f"base-step-products-{precision}", ours, products, "s", what=what,
        than="its matrix products alone, one after the other",
        note=f"products at {flops / products / 1e9:.0f} GFLOP/s; greatest memory {memory:.1f} GB",
        timings={"ours": timings["ours"]},
    )  # fmt: skip
    if "trainer" in timings:
        peer = timings["trainer"].median / steps
        than = f"HF Trainer, {precision}, batches of like lengths"
        common.report(
            options, f"base-step-trainer-{precision}", ours, peer, "s", what=what, than=than, timings=timings
        )


def search(options: argparse.Namespace) -> None:
    """A structured search in bfloat16 beside one in float32: seconds, and what their good subnetworks share."""
    import material
    from safetensors.torch import load_file

    from lottery_utils.presets import get_preset
    from lottery_utils.pruning.structured import structured_search
    from lottery_utils.tasks.glue import get_task
    from lottery_utils.tasks.metrics import majority_score

    _, dev, task = examples(options, options.search_task)
    dev = material.first(dev, options.dev)
    model, kind = weights(options, task.num_labels)
    majority, labels = 0.0, "its own predictions as labels"
    if options.checkpoint:
        model.load_state_dict(load_file(options.checkpoint))
        majority, labels = majority_score(task, dev.labels), "fine-tuned"
    else:
        dev, task = material.agree_with(model, dev), dataclasses.replace(get_task("rte"), name="agreement")

    def run(precision: str):
        preset = dataclasses.replace(get_preset("paper"), precision=precision, importance="exact")
        return structured_search(model, dev, task, preset, majority)

    timings, found = common.alternate(options.rounds, ours=lambda: run("bf16"), peer=lambda: run("fp32"))
    half, single = found["ours"].mask, found["peer"].mask
    both = (half.heads & single.heads).sum() / max(1, (half.heads | single.heads).sum())
    what = f"joint search, exact, bf16, {kind}, {labels}, {len(dev)} dev examples of {task.title}"
    common.report(
        options, "base-search-bf16", timings["ours"].median, timings["peer"].median, "s",
        what=f"{what} ({dev.lengths.mean():.1f} tokens)",
        than="the same in fp32",
        note=f"heads and MLPs left: bf16 {half.size}, fp32 {single.size}; heads shared by both, of those in either: "
        f"{both:.3f}; MLPs that differ: {int((half.mlps != single.mlps).sum())}",
        timings=timings,
    )  # fmt: skip


def main() -> None:
    """Measure what is asked for."""
    options = common.arguments(__doc__, rounds=2, parser=parser)
    if options.tiny:
        options.examples, options.dev = 40, 16
    import torch

    from lottery_utils.training.device import has_bf16

    there = has_bf16(torch.device("cpu"))
    if "step" in options.only:
        for precision in ("bf16", "fp32") if there else ("fp32",):
            step(options, precision)
    if "search" in options.only and there:
        search(options)
    elif "search" in options.only:
        print("skipped: the search in bf16 needs a processor with AVX-512 BF16 or AMX")


if __name__ == "__main__":
    main()
