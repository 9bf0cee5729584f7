"""How much faster is the structured search than the authors' procedure done plainly, with the same masks?

Plainly: every batch of 64 padded to 128, float32, all weights with gradients, parts masked and not removed, forward and
backward for every mask. Equality of all masks is checked on the first examples by running both in full, there padded to
the longest only: padding is masked and changes no result. On the whole dev set the plain side's time is that of a few
of its batches times their number, since each costs the same whatever the mask; `--full` runs all of them.
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
parser.add_argument("--task", default="cola", help="GLUE task whose dev examples are searched on")


def main() -> None:
    """Check, measure, print, append."""
    options = common.arguments(__doc__, parser=parser)
    import material
    import numpy as np
    import peers

    from lottery_utils.presets import get_preset
    from lottery_utils.pruning.structured import structured_search
    from lottery_utils.tasks.glue import get_task

    if options.tiny:
        options.equal, options.examples, options.length = 12, 24, 32
    model, kind = material.classifier(seed=1)
    _, dev, source = material.examples(options.task)
    dev = material.agree_with(model, material.first(dev, options.examples))
    task = dataclasses.replace(get_task("rte"), name="agreement")  # scored by accuracy

    def search(data, protocol):
        preset = dataclasses.replace(get_preset("laptop"), importance=protocol, precision="fp32")
        return structured_search(model, data, task, preset, 0.0)

    def same(found, plain) -> bool:
        course = found.trajectory
        masks = [peers.StructuredMask(h, m) for h, m in zip(course["heads"], course["mlps"])]
        return masks == plain.masks and found.mask == plain.good

    few = material.first(dev, options.equal)
    longest = options.length if options.full else int(few.lengths.max())
    for protocol in ("released", "exact"):
        plain = peers.plain_search(
            model, few, lambda x: float((x.argmax(1) == few.labels).mean()), protocol, length=longest
        )
        equal = same(search(few, protocol), plain)
        print(f"{protocol}: {len(plain.masks)} masks on {len(few)} examples, same masks: {'yes' if equal else 'NO'}")
        if not equal:
            raise SystemExit(f"{protocol}: the masks differ from the plain procedure's")

    full = peers.StructuredMask.full(6, 12)
    rows = np.arange(min(64, len(dev)))

    def plain_batch():
        gates = peers.PlainGates(model)
        peers.plain_batch(model, gates, dev, rows, full, options.length, each=False)
        gates.remove()  # with them the model would not be searched by the fast path

    plain_batch()
    for protocol, name in (("released", "structured-search"), ("exact", "structured-search-exact")):
        if options.full:
            plain = functools.partial(
                peers.plain_search, model, dev, lambda x: float((x.argmax(1) == dev.labels).mean()), protocol,
                length=options.length,
            )  # fmt: skip
            timings, found = common.alternate(1, ours=lambda p=protocol: search(dev, p), peer=plain)
            peer, note = timings["peer"].median, f"both run in full; same masks: {same(found['ours'], found['peer'])}"
        else:
            timings, found = common.alternate(options.rounds, ours=lambda p=protocol: search(dev, p), peer=plain_batch)
            passes, batches = len(found["ours"].trajectory["score"]), len(dev) / len(rows)
            peer = timings["peer"].median * batches * passes
            note = f"plain side: time of a batch of 64 x {batches:.1f} batches x {passes} masks; " + (
                f"masks checked on {len(few)} examples"
            )
        (heads, mlps), tokens = found["ours"].mask.size, dev.lengths.mean()
        common.report(
            options,
            name,
            timings["ours"].median,
            peer,
            "s",
            what=f"joint search, {protocol}, {kind}, {len(dev)} dev examples of {source} ({tokens:.1f} tokens)",
            than=f"the authors' procedure, plainly, padded to {options.length}",
            note=f"{note}; {heads} of 72 heads and {mlps} of 6 MLPs are left",
            timings=timings,
        )


if __name__ == "__main__":
    main()
