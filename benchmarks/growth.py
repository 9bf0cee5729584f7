"""How does cost grow: with dev examples, their length, components, cells of a study, worker processes?

Each curve is fitted by a power law, seconds = c * x ** exponent. The peer is the exponent of the work itself over the
same sizes: operations counted, or the number of cells. A step that grows faster than its work has an exponent above it.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import common
import numpy as np

CURVES = ("dev", "length", "components", "cells", "workers")
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--dev", type=int, nargs="+", default=[125, 250, 500, 1000], help="dev examples")
parser.add_argument("--lengths", type=int, nargs="+", default=[8, 16, 32, 64, 128], help="tokens an example")
parser.add_argument("--layers", type=int, nargs="+", default=[2, 4, 8, 12], help="layers of 12 heads and an MLP each")
parser.add_argument("--seeds", type=int, nargs="+", default=[5, 14, 28, 55], help="of nine tasks; 55: 10,000 cells")
parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="worker processes")
parser.add_argument("--only", nargs="+", choices=CURVES)


def exponent(x: list[float], seconds: list[float]) -> float:
    """The slope of log(seconds) over log(x)."""
    return float(np.polyfit(np.log(x), np.log(seconds), 1)[0])


def timed(rounds: int, sizes: list, work: Callable[[object], object]) -> dict[object, float]:
    """Median seconds of `work(size)`, the sizes in turn; each size once unmeasured before."""
    found: dict[object, list[float]] = {size: [] for size in sizes}
    for round_ in range(rounds + 1):
        for size in sizes:
            begin = time.perf_counter()
            work(size)
            if round_:
                found[size].append(time.perf_counter() - begin)
    return {size: statistics.median(values) for size, values in found.items()}


def bert(layers: int, seed: int = 0):
    """A BERT with 12 heads of 32, 384 wide, random weights."""
    import torch
    from transformers import BertConfig

    from lottery_utils.models.load import build_classifier

    config = BertConfig(
        hidden_size=384, num_hidden_layers=layers, num_attention_heads=12, intermediate_size=1536, num_labels=2
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_classifier(config).eval()


def of_length(count: int, length: int):
    """Random examples, all of one length."""
    from lottery_utils.training.batches import Encoded

    rng = np.random.default_rng(0)
    ids = rng.integers(1000, 30_000, count * length).astype(np.int32)
    starts = np.arange(count + 1) * length
    return Encoded(ids, np.empty(0, np.int32), starts, rng.integers(0, 2, count), 0)


def one_mask(model, data) -> None:
    """What a search does for each mask: its score and the importances under it."""
    from lottery_utils.pruning.importance import open_passes
    from lottery_utils.pruning.masks import StructuredMask

    with open_passes(model, data) as passes:
        passes.measure(passes.run(StructuredMask.full(model.config.num_hidden_layers, 12)))


def flops(layers: int, lengths: np.ndarray) -> float:
    """Forward operations of the encoder, 384 wide; in the last layer only the first tokens' are needed."""
    tokens, squares, first = float(lengths.sum()), float((lengths.astype(float) ** 2).sum()), len(lengths)
    square, mlp = 384 * 384, 2 * 384 * 1536
    whole = 2 * tokens * (4 * square + mlp) + 4 * squares * 384
    last = 2 * tokens * 2 * square + 2 * first * (2 * square + mlp) + 4 * tokens * 384
    return (layers - 1) * whole + last


def tell(options, name: str, x: list, seconds: dict, work: list[float], unit: str, what: str, note: str = "") -> None:
    """Append a curve: the exponents of the time and of the work."""
    times = list(seconds.values())
    ours, peer = exponent(x, times), exponent(x, work)
    rows = [{unit: size, "seconds": t, "seconds a unit of work": t / w * work[0]} for size, t, w in zip(x, times, work)]
    common.report(
        options, f"growth-{name}", ours, peer, "exponent", what=what, than="exponent of the work", note=note, rows=rows
    )


def passes_curves(options) -> None:
    """The pass that scores a mask and measures importances, over dev examples, tokens, layers."""
    import material

    rng, chosen = np.random.default_rng(0), options.only or CURVES
    if "dev" in chosen:
        model = bert(6)
        data = {n: material.random_examples(n, rng) for n in options.dev}
        found = timed(options.rounds, options.dev, lambda n: one_mask(model, data[n]))
        work = [flops(6, data[n].lengths) for n in options.dev]
        what = "score and importances of one mask, 6 layers"
        tell(options, "dev-set", options.dev, found, work, "dev examples", what)
    if "length" in chosen:
        model = bert(6)
        count = 8192 // max(options.lengths)
        data = {n: of_length(count, n) for n in options.lengths}
        found = timed(options.rounds, options.lengths, lambda n: one_mask(model, data[n]))
        work = [flops(6, data[n].lengths) for n in options.lengths]
        what = f"score and importances of one mask, 6 layers, {count} examples"
        tell(options, "length", options.lengths, found, work, "tokens an example", what)
    if "components" in chosen:
        models, data = {n: bert(n) for n in options.layers}, material.random_examples(200, rng)
        found = timed(options.rounds, options.layers, lambda n: one_mask(models[n], data))
        work = [flops(n, data.lengths) for n in options.layers]
        what = "score and importances of one mask, 200 examples, 13 components a layer"
        tell(options, "components", [13 * n for n in options.layers], found, work, "components", what)


def cells_curves(options) -> None:
    """What is done once for each cell of a study beside its work: plan, addresses, order of work, status, checks."""
    from lottery_utils.experiment.cells import plan
    from lottery_utils.experiment.schedule import Schedule
    from lottery_utils.experiment.verify import verify_store
    from lottery_utils.presets import GLUE_TASKS

    with tempfile.TemporaryDirectory() as folder:
        studies = {n: made_up(Path(folder) / str(n), tuple(GLUE_TASKS), tuple(range(n))) for n in options.seeds}
        counts = [len(study.cells()) for study in studies.values()]
        gc.freeze()  # the other studies are not looked through while one is timed

        def addresses(n: int) -> None:
            forget_addresses()
            for cell in studies[n].cells():
                studies[n].address(cell)

        def order(n: int) -> None:
            schedule = Schedule(studies[n].cells(), studies[n].preset.seeds, set(), lambda cell: 1.0)
            while len(schedule.left):
                schedule.finish(schedule.next())

        steps = {
            "plan": lambda n: plan(studies[n].preset),
            "addresses": addresses,
            "schedule": order,
            "status": lambda n: studies[n].states(),
            "verify": lambda n: verify_store(studies[n].store),
        }
        for name, step in steps.items():
            found = timed(min(3, options.rounds), options.seeds, step)
            what = f"{name} of a study of nine tasks, {counts[0]:,} to {counts[-1]:,} cells"
            tell(options, f"cells-{name}", counts, found, [float(n) for n in counts], "cells", what)


def forget_addresses() -> None:
    """Empty the cache of addresses."""
    from lottery_utils.experiment import identity

    identity.address.cache_clear()


def made_up(root: Path, tasks: tuple[str, ...], seeds: tuple[int, ...]):
    """A study with a made-up record for each cell, written without waiting for the disk."""
    import sys

    from lottery_utils.experiment import store

    sys.path.append(str(common.ROOT / "tests"))
    from made_up_records import make_study

    flush, store.flush = store.flush, lambda path: None
    try:
        return make_study(root, tasks, seeds)
    finally:
        store.flush = flush


def workers_curve(options) -> None:
    """Small cells of the embedded demo by one and more worker processes."""
    from lottery_utils.experiment.study import open_study

    small = {"train_limit": 256, "dev_limit": 128, "min_steps": 0, "epochs": 1}
    if options.tiny:
        small |= {"train_limit": 32, "dev_limit": 32, "magnitude_max_steps": 1}
    seconds = {}
    for count in options.workers:
        with tempfile.TemporaryDirectory() as folder:
            study = open_study("demo", ["mrpc"], [1] if options.tiny else [1, 2], small, folder)
            begin = time.perf_counter()
            summary = study.run(workers=count, progress=False)
            seconds[count] = time.perf_counter() - begin
    least, most = min(options.workers), max(options.workers)
    rows = [{"workers": n, "seconds": t, "times faster": seconds[least] / t} for n, t in seconds.items()]
    common.report(
        options,
        "growth-workers",
        seconds[least] / seconds[most],
        most / least,
        "times faster",
        ratio=seconds[least] / seconds[most] / (most / least),
        what=f"{summary.total} small cells of the demo by {most} worker processes, start of the workers included",
        than="as many times faster as there are workers; the field ratio is the share of it that is reached",
        rows=rows,
    )


def main() -> None:
    """All curves, or those named."""
    options = common.arguments(__doc__, parser=parser, rounds=2)
    if options.tiny:
        options.dev, options.lengths, options.layers, options.seeds = [20, 40], [8, 16], [1, 2], [1, 2]
    chosen = options.only or CURVES
    if set(CURVES[:3]) & set(chosen):
        passes_curves(options)
    if "cells" in chosen:
        cells_curves(options)
    if "workers" in chosen:
        workers_curve(options)


if __name__ == "__main__":
    main()
