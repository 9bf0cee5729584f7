"""How much faster, and in how much less memory, are all masks of a magnitude search than by torch's own pruning?

85 million weights in the shapes of BERT-base's encoder, ten steps of 10% each. The peer prunes them again and again
with torch.nn.utils.prune.global_unstructured, as the authors do. Each run is a process of its own; its memory is what
its peak adds to what it holds with the weights. Masks are compared bit for bit: with the stable order of |w| (ours),
and with the peer, which may choose otherwise among weights equal to the threshold, and only there.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import common
import psutil

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--layers", type=int, default=12, help="layers of BERT-base's shape")
parser.add_argument("--steps", type=int, default=10, help="masks")
parser.add_argument("--side", choices=("ours", "peer", "check"), help=argparse.SUPPRESS)


def layers(count: int):
    """Linear layers of BERT's shapes with normal weights."""
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(0)
    shapes = [(768, 768)] * 4 + [(768, 3072), (3072, 768)]
    modules = []
    for shape in shapes * count:
        module = nn.Linear(*shape, device="meta").to_empty(device="cpu")
        with torch.no_grad():
            for p in module.parameters():
                p.normal_(0.0, 0.04, generator=generator)
        modules.append(module)
    return modules


def ours(modules, steps: int) -> list:
    """All masks, packed; the search builds the one it tries from the levels."""
    import numpy as np

    levels = build_levels(modules, steps)
    survived = levels.survived.items()
    return [{name: np.packbits(kept_by > step) for name, kept_by in survived} for step in range(1, steps + 1)]


def build_levels(modules, steps: int):
    """The package's own way to all masks."""
    from lottery_utils.pruning.masks import Levels

    parameters = {f"{i}.{name}": p for i, module in enumerate(modules) for name, p in module.named_parameters()}
    return Levels(parameters, counts_of(modules, steps))


def counts_of(modules, steps: int) -> list[int]:
    """Weights gone after each step, as the search takes them."""
    from lottery_utils.pruning.magnitude import pruned_counts

    return pruned_counts(sum(p.numel() for module in modules for p in module.parameters()), 0.1, steps)


def peer(modules, steps: int, each=lambda step: None) -> None:
    """Repeated global pruning; torch keeps the last mask only."""
    from torch.nn.utils import prune

    places = [(module, name) for module in modules for name in ("weight", "bias")]
    for step in range(1, steps + 1):
        prune.global_unstructured(places, pruning_method=prune.L1Unstructured, amount=0.1)
        each(step)


def check(modules, steps: int) -> dict:
    """Weights whose masks differ from the peer's, how many of these do not equal the threshold; the peer's seconds."""
    import torch

    levels = build_levels(modules, steps)
    originals = {f"{i}.{name}": p.detach().clone() for i, m in enumerate(modules) for name, p in m.named_parameters()}
    everything = torch.cat([p.abs().reshape(-1) for p in originals.values()])
    order = everything.sort(stable=True)
    total, counts = len(everything), counts_of(modules, steps)
    found = {"weights": total, "unlike the stable order": 0, "unlike torch": 0, "of these no tie": 0}
    spent = [0.0, 0.0]  # wall and CPU seconds of comparing

    def compare(step: int) -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        pruned = counts[step]
        edge, kept = order.values[pruned - 1], torch.ones(total, dtype=torch.bool)
        kept[order.indices[:pruned]] = False
        mine = levels.mask(step).weights
        flat = torch.cat([mask.reshape(-1) for mask in mine.values()])
        found["unlike the stable order"] += int((flat != kept).sum())
        theirs = torch.cat(
            [getattr(modules[int(key.split(".")[0])], key.split(".")[1] + "_mask").bool().reshape(-1) for key in mine]
        )
        differ = flat != theirs
        found["unlike torch"] += int(differ.sum())
        found["of these no tie"] += int((everything[differ] != edge).sum())
        spent[0] += time.perf_counter() - wall
        spent[1] += time.process_time() - cpu

    cpu, wall = time.process_time(), time.perf_counter()
    peer(modules, steps, compare)
    times = {"wall": time.perf_counter() - wall - spent[0], "cpu": time.process_time() - cpu - spent[1]}
    return {"found": found, **times}


def in_process(options, side: str) -> dict:
    """Run one side in a process of its own: seconds and bytes that its peak adds, or the check's counts."""
    command = [sys.executable, __file__, "--side", side, "--threads", str(options.threads)]
    command += ["--layers", str(options.layers), "--steps", str(options.steps)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{side}: {done.stderr.splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def one_side(options) -> None:
    """What `in_process` runs."""
    modules = layers(options.layers)
    if options.side == "check":
        print(json.dumps(check(modules, options.steps)))
        return
    build_levels(layers(1)[:1], 1)  # imports are no part of the work
    unit = 1024 if sys.platform != "darwin" else 1
    before = psutil.Process().memory_info().rss
    cpu, wall = time.process_time(), time.perf_counter()
    {"ours": ours, "peer": peer}[options.side](modules, options.steps)
    times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps(times | {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before}))


def main() -> None:
    """Check, measure, print, append."""
    options = common.arguments(__doc__, parser=parser, rounds=2)
    if options.tiny:
        options.layers, options.steps = 1, 3
    if options.side:
        return one_side(options)
    checked = in_process(options, "check")
    found = checked["found"]
    print(f"{options.steps} masks of {found['weights']:,} weights:", found)
    if found["unlike the stable order"] or found["of these no tie"]:
        raise SystemExit("the masks are not those of the rule")
    timings, memory = {"ours": common.Timing(), "peer": common.Timing()}, {"ours": [], "peer": []}
    timings["peer"].note(checked["wall"], checked["cpu"])  # a run like the others, but for the comparisons left out
    for number in range(options.rounds):
        for side, timing in timings.items():
            if side == "peer" and number and number + 1 == options.rounds:
                continue  # with the check's it has as many
            run = in_process(options, side)
            timing.wall.append(run["wall"])
            timing.cpu.append(run["cpu"])
            memory[side].append(run["bytes"] / 1e6)
    words = {
        "what": f"all {options.steps} masks of {found['weights']:,} weights, packed",
        "than": "torch.nn.utils.prune.global_unstructured, again and again",
        "note": "same masks: equal weights go in model order; torch chose otherwise for "
        f"{found['unlike torch']} of {options.steps * found['weights']:,} bits, all of them ties at the threshold",
    }
    common.report(
        options, "magnitude-search-time", timings["ours"].median, timings["peer"].median, "s", timings=timings, **words
    )
    least = {side: min(values) for side, values in memory.items()}
    common.report(options, "magnitude-search-memory", least["ours"], least["peer"], "MB beside the weights", **words)


if __name__ == "__main__":
    main()
