"""How much faster is the structured search than the authors' procedure done plainly, with the same masks?

Plainly: every batch of 64 padded to 128, float32, all weights with gradients, parts masked and not removed, forward and
backward for every mask. Equality of all masks is checked on the first examples by running both in full, there padded to
the longest only: padding is masked and changes no result. On the whole dev set the plain side's time is that of a few
of its batches times their number, since each costs the same whatever the mask; `--full` runs all of them.

What leaving out the padding saves depends on how long the texts are: the tasks differ in that, and a row of the table
is one of them. "Padding alone" is how many tokens of 128 stand for one that is there.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools

import common

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--full", action="store_true", help="run the plain side on the whole dev set (tens of minutes)")
parser.add_argument("--equal", type=int, default=80, help="examples of the check of equality")
parser.add_argument("--examples", type=int, default=1043, help="dev examples")
parser.add_argument("--length", type=int, default=128, help="tokens that the plain side pads to")
parser.add_argument("--tasks", nargs="+", default=["cola", "mrpc", "rte"], help="GLUE tasks, of short and long texts")


def main() -> None:
    """Check, measure, print, append."""
    options = common.arguments(__doc__, parser=parser)
    if options.tiny:
        options.equal, options.examples, options.length, options.tasks = 12, 24, 32, options.tasks[:1]
    for protocol, name in (("released", "structured-search"), ("exact", "structured-search-exact")):
        measured = [measure(options, task, protocol) for task in options.tasks]
        first = measured[0]
        common.report(
            options, name, first.pop("ours"), first.pop("peer"), "s",
            what=f"joint search, {protocol}, {first['what']}",
            than=f"the authors' procedure, plainly, padded to {options.length}",
            note=first["note"], timings=first["timings"], rows=[m["row"] for m in measured],
        )  # fmt: skip


def measure(options: argparse.Namespace, title: str, protocol: str) -> dict:
    """Both sides on one task's dev examples: seconds, a row of the table, words, timings."""
    import material
    import numpy as np
    import peers

    from lottery_utils.presets import get_preset
    from lottery_utils.pruning.structured import structured_search
    from lottery_utils.tasks.glue import get_task

    model, kind = material.classifier(seed=1)
    _, dev, source = material.examples(title)
    dev = material.agree_with(model, material.first(dev, options.examples))
    task = dataclasses.replace(get_task("rte"), name="agreement")  # scored by accuracy
    preset = dataclasses.replace(get_preset("laptop"), importance=protocol, precision="fp32")

    def plainly(data, length: int) -> peers.PlainSearch:
        def accuracy(logits) -> float:
            return float((logits.argmax(1) == data.labels).mean())

        return peers.plain_search(model, data, accuracy, protocol, length=length)

    few = material.first(dev, options.equal)
    plain = plainly(few, options.length if options.full else int(few.lengths.max()))
    if not same(structured_search(model, few, task, preset, 0.0), plain):
        raise SystemExit(f"{title}, {protocol}: the masks differ from the plain procedure's")
    print(f"{title}, {protocol}: {len(plain.masks)} masks on {len(few)} examples, the same as plainly", flush=True)

    rows = np.arange(min(64, len(dev)))

    def plain_batch() -> None:
        gates = peers.PlainGates(model)
        peers.plain_batch(model, gates, dev, rows, peers.StructuredMask.full(6, 12), options.length, each=False)
        gates.remove()  # with them the model would not be searched by the fast path

    plain_batch()
    peer = functools.partial(plainly, dev, options.length) if options.full else plain_batch
    timings, found = common.alternate(
        1 if options.full else options.rounds, ours=lambda: structured_search(model, dev, task, preset, 0.0), peer=peer
    )
    passes, batches = len(found["ours"].trajectory["score"]), len(dev) / len(rows)
    ours, seconds = timings["ours"].median, timings["peer"].median * (1 if options.full else batches * passes)
    note = f"plain side: time of a batch of 64 x {batches:.1f} batches x {passes} masks; masks checked on {len(few)}"
    if options.full:
        note = f"both run in full; same masks: {same(found['ours'], found['peer'])}"
    (heads, mlps), tokens = found["ours"].mask.size, dev.lengths.mean()
    padding = options.length / tokens
    return {
        "ours": ours,
        "peer": seconds,
        "what": f"{kind}, {len(dev)} dev examples of {source} ({tokens:.1f} tokens)",
        "note": f"{note}; {heads} of 72 heads and {mlps} of 6 MLPs are left",
        "timings": timings,
        "row": {
            "task": source, "dev examples": len(dev), "tokens": float(tokens), "ours, s": ours, "plainly, s": seconds,
            "ratio": seconds / ours, "padding alone": padding, "the rest": seconds / ours / padding,
        },
    }  # fmt: skip


def same(found, plain) -> bool:
    """Whether our search and the plain one looked at the same masks and chose the same one."""
    import peers

    course = found.trajectory
    masks = [peers.StructuredMask(h, m) for h, m in zip(course["heads"], course["mlps"])]
    return masks == plain.masks and found.mask == plain.good


if __name__ == "__main__":
    main()
