"""Is a GPU right, and how fast? Cells against the CPU's, one run, several that share it, the paper's grid projected.

First, in under two minutes, one cell of each kind is compared with the CPU's, and CUDA graphs with the plain loop, see
`gpu_smoke`; where cells differ it ends there. Then BERT-base's shape with random weights, batches of 32, bf16, examples
as long as those of CoLA, MNLI and MRPC. The peer is HF Trainer in bf16 with batches of like lengths. One command,
`python benchmarks/gpu.py`; without CUDA it says so and ends. `--device cpu --tiny` tries all of its parts.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys

import common

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
parser.add_argument("--steps", type=int, default=200, help="steps of a timed training")
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--share", type=int, nargs="+", default=[2, 4, 8], help="runs that share the GPU")
parser.add_argument("--smoke", action="store_true", help="only compare cells with the CPU's")
parser.add_argument("--no-graphs", action="store_true", help="steps are taken as they are written")
parser.add_argument("--side", help=argparse.SUPPRESS)
HOURS, RUNS, SEEDS, EPOCHS = 6.0, 10, 5, 3  # goal; full, three of each method and three of super-survivors
MASKS = {"structured": 20, "magnitude": 10}  # looked at in a search: about, in the paper's setting


def single(options, setting, parts, rate: float) -> dict[str, float]:
    """Append gpu-finetune-single; seconds an example of ours, by task."""
    rows, found = [], {}
    for task in parts.MEASURED:
        data, model = setting.data(task), setting.model()
        timings = {name: common.Timing() for name in ("ours", "peer", "eager")}
        works = {"ours": parts.train_ours, "peer": parts.train_peer, "eager": parts.train_eagerly}
        for round_ in range(options.rounds + 1):  # the first warms up
            for name, work in works.items():
                seconds = work(setting, copy.deepcopy(model), data)
                if round_:
                    timings[name].note(seconds)
        ours, peer, eager = (timings[name].median for name in works)
        found[task] = ours / len(data)
        operations = parts.flops(model.config, data.lengths)
        rows.append({
            "lengths of": task, "tokens": float(data.lengths.mean()), "ours, examples/s": len(data) / ours,
            "Trainer, examples/s": len(data) / peer, "ratio": peer / ours, "without graphs, examples/s":
            len(data) / eager, "share of the matrix rate": operations / ours / rate,
            "launch-bound without graphs": "yes" if eager > 1.2 * ours else "no",
        })  # fmt: skip
    least = min(rows, key=lambda row: row["ratio"])
    common.report(
        options, "gpu-finetune-single", least["ours, examples/s"], least["Trainer, examples/s"], "examples/s",
        ratio=least["ratio"], rows=rows,
        what=f"fine-tuning BERT-base's shape, batches of {setting.batch}, {setting.precision}; the least ratio of "
        f"three lengths, that of {least['lengths of']}",
        than="HF Trainer, same precision, batches of like lengths",
        note=f"the chip's measured rate of matrix products is {rate / 1e12:.3g} TFLOP/s",
    )  # fmt: skip
    return found


def shared(options, setting, parts) -> dict[str, float]:
    """Append gpu-finetune-shared; seconds an example of the best number of processes, by task."""
    rows, found, ratios = [], {}, {}
    for task in parts.MEASURED:
        data = setting.data(task)
        parts.train_peer(setting, setting.model(), data)
        times = [parts.train_peer(setting, setting.model(), data) for _ in range(options.rounds)]
        peer = len(data) / statistics.median(times)
        best = 0.0
        for runs in options.share:
            seconds = statistics.median([parts.train_processes(setting, task, runs) for _ in range(options.rounds)])
            speed = runs * len(data) / seconds
            best = max(best, speed)
            rows.append({"lengths of": task, "processes": runs, "examples/s": speed, "ratio": speed / peer})
        found[task], ratios[task] = 1 / best, (best / peer, best, peer)
    task = min(ratios, key=ratios.get)
    ratio, ours, peer = ratios[task]
    common.report(
        options, "gpu-finetune-shared", ours, peer, "examples/s", ratio=ratio, rows=rows,
        what=f"the best of the rows for {task}, the task with the least ratio; all processes together",
        than="HF Trainer, one run",
    )  # fmt: skip
    return found


def grid(options, setting, parts, per_example: dict[str, float], rate: float) -> None:
    """Append gpu-grid-hours: 450 trainings and the searches, from the measured cells, beside the floor."""
    import numpy as np

    from lottery_utils.tasks.glue import TASKS

    lengths = [parts.TOKENS[task] for task in parts.MEASURED]
    searches = [parts.search_rates(setting, task) for task in parts.MEASURED]

    def at(tokens: float, values: list[float]) -> float:
        """Interpolated, and beyond the longest in proportion to the length."""
        return float(np.interp(tokens, lengths, values)) * max(1.0, tokens / lengths[-1])

    rows, config = [], setting.model().config
    for name, task in TASKS.items():
        tokens = parts.TOKENS[name]
        trained = RUNS * SEEDS * EPOCHS * task.train_size
        training = trained * at(tokens, [per_example[t] for t in parts.MEASURED])
        searching = SEEDS * task.dev_size * sum(
            MASKS[method] * at(tokens, [1 / rates[k] for rates in searches])
            for k, method in enumerate(("structured", "magnitude"))
        )  # fmt: skip
        floor = trained * parts.flops(config, np.array([tokens])) / rate
        floor += SEEDS * task.dev_size * 20 * parts.flops(config, np.array([tokens])) * 2 / 3 / rate
        rows.append({
            "task": task.title, "trained examples (M)": trained / 1e6, "training (h)": training / 3600,
            "searches (h)": searching / 3600, "floor (h)": floor / 3600,
        })  # fmt: skip
    ours = sum(row["training (h)"] + row["searches (h)"] for row in rows)
    common.report(
        options, "gpu-grid-hours", ours, HOURS, "GPU-hours", rows=rows,
        what=f"the paper's grid projected from measured cells: {RUNS} trainings for each of {SEEDS} seeds and nine "
        "tasks, all as dear as the full model's, and both searches",
        than="the goal",
        note=f"floor, operations over the measured matrix rate: {sum(row['floor (h)'] for row in rows):.3g} h",
    )  # fmt: skip


def main() -> int:
    """Compare, measure, print, append, or one plain sentence where there is no GPU; 1 where cells differ."""
    options = common.arguments(__doc__, parser=parser, rounds=3)
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        print("skipped: there is no CUDA device here, so nothing was measured on a GPU")
        return 0
    graphs = not options.no_graphs
    if not options.side:
        import gpu_smoke

        fine, graphs = gpu_smoke.smoke(options, torch.device(options.device), graphs)
        if not fine or options.smoke:
            return int(not fine)
    if common.has("accelerate", "HF Trainer"):
        measure(options, torch.device(options.device), graphs)
    return 0


def measure(options, device, graphs: bool) -> None:
    """The comparisons of speed."""
    import gpu_parts as parts

    if options.tiny:
        options.steps, options.batch, options.share, options.rounds = 2, 4, [2], 1
    precision = "bf16" if device.type == "cuda" else "fp32"
    setting = parts.Setting(device, precision, options.steps, options.batch, options.tiny, graphs)
    if options.side:
        parts.one_process(setting, options.side)
        return
    rate = parts.matrix_rate(setting)
    alone = single(options, setting, parts, rate)
    together = shared(options, setting, parts)
    grid(options, setting, parts, {task: min(alone[task], together[task]) for task in alone}, rate)


if __name__ == "__main__":
    sys.exit(main())
