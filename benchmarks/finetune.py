"""How much faster is fine-tuning on the CPU than by HF Trainer: grouped by length, in random order, padded to 128?

Same model, data, batch size, learning rate and its course, AdamW, clipping, dropout, epochs; only the order of the
examples is each side's own. Every round is a training from start to end with another seed, so that the dev scores are
compared too; `--rounds 8` tells them apart from chance. The grouped Trainer goes through each epoch from the longest
examples to the shortest, as its groups hold 50 batches: the random one is there to show what that does to the score.
The padded Trainer computes as the others do, on more tokens: unless `--full` it is timed on its first steps.

What padding costs depends on how long the texts are, so one task after another is trained on, with fewer examples the
longer they are, and a row of the table is one of them. "Padding alone" is how many tokens the peer computes for one
that is there, over an epoch of its batches.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import statistics

import common

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--full", action="store_true", help="train the padded side to the end too (many minutes)")
parser.add_argument("--tokens", type=int, default=16_000, help="of the train examples, as many as come to that")
parser.add_argument("--dev", type=int, default=872, help="dev examples, for the score")
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--tasks", nargs="+", default=["cola", "mrpc", "rte"], help="GLUE tasks, of short and long texts")
parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"], help="of both sides")
parser.add_argument("--padded-steps", type=int, default=6, help="steps of a round of the padded side")


def trainer_of(model, data, preset, seed: int, length: int | None, only: int | None = None, grouped: bool = True):
    """HF Trainer with the preset's hyperparameters; `length`: what all examples are padded to, else a batch's longest.

    Without `length` batches are of like lengths, or with `grouped` False of examples in random order.

    Its examples lie in memory and are padded by a few lines of torch: quicker than a Dataset and its tokenizer. `only`:
    so many first steps.
    """
    import tempfile

    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments

    steps = preset.epochs * -(-len(data) // preset.batch_size)
    steps = steps if only is None else min(only, steps)

    def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
        width = length or max(len(row["input_ids"]) for row in rows)
        found = {"attention_mask": torch.zeros(len(rows), width, dtype=torch.long)}
        found["input_ids"] = torch.full_like(found["attention_mask"], data.pad)
        if "token_type_ids" in rows[0]:
            found["token_type_ids"] = torch.zeros_like(found["input_ids"])
        for place, row in enumerate(rows):
            size = len(row["input_ids"])
            found["attention_mask"][place, :size] = 1
            for key in found.keys() & row.keys():
                found[key][place, :size] = row[key]
        return found | {"labels": torch.tensor([row["labels"] for row in rows])}

    folder = tempfile.mkdtemp(prefix="lottery-bench-")
    settings = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=preset.batch_size,
        learning_rate=preset.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(preset.warmup * steps),
        weight_decay=preset.weight_decay,
        adam_epsilon=preset.adam_eps,
        max_grad_norm=preset.clip,
        max_steps=steps,
        # before version 5: group_by_length=True
        train_sampling_strategy="group_by_length" if grouped and not length else "random",
        bf16=preset.precision == "bf16",
        seed=seed,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )
    trainer = Trainer(model=model, args=settings, train_dataset=rows_of(data), data_collator=collate)
    trainer.remove_callback(PrinterCallback)
    return trainer


def rows_of(data) -> list[dict]:
    """Examples as Trainer wants them."""
    import torch

    found = []
    for begin, end, label in zip(data.starts, data.starts[1:], data.labels):
        row = {"input_ids": torch.from_numpy(data.ids[begin:end].astype("int64")), "labels": label.item()}
        if len(data.types):
            row["token_type_ids"] = torch.from_numpy(data.types[begin:end].astype("int64"))
        found.append(row)
    return found


def settings(options, precision: str = "fp32"):
    """The preset both sides train by: the paper's, at the laptop preset's learning rate and warm-up."""
    from lottery_utils.presets import get_preset

    return dataclasses.replace(get_preset("laptop"), epochs=options.epochs, precision=precision)


def noise(scores: dict[str, list[float]]) -> str:
    """Means and standard deviations of the scores, and whether the means agree within their noise."""
    texts, means, variances = [], [], []
    for side, values in scores.items():
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        means.append(statistics.mean(values))
        variances.append(spread**2 / len(values))
        texts.append(f"{side} {means[-1]:.3f} ± {spread:.3f}")
    seeds = len(next(iter(scores.values())))
    if len(means) < 2 or not sum(variances):
        return f"dev score over {seeds} seeds: " + ", ".join(texts)
    far = abs(means[0] - means[1]) / sum(variances) ** 0.5
    return f"dev score over {seeds} seeds: {', '.join(texts)}; the means are {far:.1f} standard errors apart"


PEERS = (
    ("finetune-trainer-grouped", "grouped", "HF Trainer, batches of like lengths"),
    ("finetune-trainer-random", "random", "HF Trainer, random order, padded to the longest of a batch"),
    ("finetune-padded-128", "padded", "HF Trainer, padded to 128"),
)


def main() -> None:
    """Train, score, compare, append."""
    options = common.arguments(__doc__, parser=parser)
    if not common.has("accelerate", "HF Trainer"):
        return
    if options.tiny:
        options.tokens, options.dev, options.epochs, options.padded_steps = 800, 32, 1, 1
        options.tasks = options.tasks[:1]
    measured = [measure(options, task) for task in options.tasks]
    for name, side, than in PEERS:
        first = measured[0]
        common.report(
            options, name, first["step"]["ours"], first["step"][side], "ms a step of 32", what=first["what"], than=than,
            note=first["notes"][side], timings={key: first["timings"][key] for key in ("ours", side)},
            rows=[m["rows"][side] for m in measured],
        )  # fmt: skip


def measure(options: argparse.Namespace, title: str) -> dict:
    """All sides on one task's examples: milliseconds a step, rows of the tables, words, timings."""
    import material

    from lottery_utils.tasks.glue import get_task
    from lottery_utils.tasks.metrics import compute_metrics, predictions_from_logits, search_score
    from lottery_utils.training.evaluate import predict
    from lottery_utils.training.finetune import finetune

    train, dev, source = material.examples(title)
    train = material.first(train, round(options.tokens / train.lengths.mean()))
    dev = material.first(dev, options.dev)
    preset = settings(options, options.precision)
    task = get_task(title)
    models = {seed: material.classifier(seed, task.num_labels) for seed in range(options.rounds)}
    kind = models[0][1]
    steps = preset.epochs * -(-len(train) // preset.batch_size)
    only = None if options.full else min(options.padded_steps, steps)

    def score(model) -> float:
        return search_score(task, compute_metrics(task, predictions_from_logits(task, predict(model, dev)), dev.labels))

    sides = {
        "ours": lambda model, seed: lambda: finetune(model, train, preset, ("bench", seed)),
        "grouped": lambda model, seed: trainer_of(model, train, preset, seed, None).train,
        "random": lambda model, seed: trainer_of(model, train, preset, seed, None, grouped=False).train,
        "padded": lambda model, seed: trainer_of(model, train, preset, seed, 128, only).train,
    }
    timings = {side: common.Timing() for side in sides}
    scores: dict[str, list[float]] = {side: [] for side in sides}
    few, once = material.first(train, 64), dataclasses.replace(preset, epochs=1)
    finetune(copy.deepcopy(models[0][0]), few, once, ("bench", 0))  # imports are no part of the work
    trainer_of(copy.deepcopy(models[0][0]), few, once, 0, None, 1).train()
    for seed, (start, _) in models.items():
        for side, work_of in sides.items():
            model = copy.deepcopy(start)
            timings[side].run(work_of(model, seed))
            if side != "padded" or options.full:
                scores[side].append(score(model))
            wall, cpu = timings[side].wall[-1], timings[side].cpu[-1]
            print(f"{title}, seed {seed}: {side} {wall:.1f} s, CPU {cpu:.1f} s", flush=True)
    scores = {side: values for side, values in scores.items() if values}
    taken = dict.fromkeys(sides, steps) | {"padded": only or steps}
    step = {side: timing.median / taken[side] * 1e3 for side, timing in timings.items()}
    notes = {side: noise({key: scores[key] for key in ("ours", side)}) for side in scores}
    notes.setdefault("padded", f"padded side timed on {only} of {steps} steps a round")
    tokens = float(train.lengths.mean())
    what = f"fine-tuning {kind} on {len(train)} examples of {source} ({tokens:.1f} tokens), {preset.epochs} epochs"
    padding = {"grouped": padded_tokens(train, preset.batch_size, grouped=True),
               "random": padded_tokens(train, preset.batch_size, grouped=False), "padded": 128 / tokens}  # fmt: skip
    rows = {
        side: {"task": source, "examples": len(train), "tokens": tokens, "ours, ms": step["ours"],
               "peer, ms": step[side], "ratio": step[side] / step["ours"], "padding alone": padding[side],
               "the rest": step[side] / step["ours"] / padding[side]}
        for side in padding
    }  # fmt: skip
    return {"step": step, "what": what + ", bf16" * (preset.precision == "bf16"), "notes": notes, "timings": timings,
            "rows": rows}  # fmt: skip


def padded_tokens(data, batch: int, grouped: bool) -> float:
    """Tokens of an epoch with each batch padded to its longest example, over those that are there."""
    import numpy as np

    order = np.argsort(-data.lengths) if grouped else np.random.default_rng(0).permutation(len(data))
    lengths = data.lengths[order]
    batches = [lengths[begin : begin + batch] for begin in range(0, len(lengths), batch)]
    return float(sum(len(b) * b.max() for b in batches) / lengths.sum())


if __name__ == "__main__":
    main()
