"""Ways to rank at equal size: curves from their cells, where each breaks, how they stand beside the paper's way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from lottery_utils.demo import micro_bert_dir
from lottery_utils.experiment.cells import Cell
from lottery_utils.experiment.reading import Results
from lottery_utils.experiment.stage_table import CURVE
from lottery_utils.methods import METHODS
from lottery_utils.pruning.stopping import stop_rule
from lottery_utils.show.compute import under
from lottery_utils.show.effects import effect_table
from lottery_utils.show.frames import joined, title_of
from lottery_utils.show.stats import Effect, corrected, effect, lead_kept
from lottery_utils.show.style import COLOURS, METHOD_NAMES, SEED_SHADES, WIDTH, empty_figure
from lottery_utils.show.tables import dressed

from ..courses import Looks, draw_lines, handles_of
from ..sources import count

if TYPE_CHECKING:  # it needs torch
    from lottery_utils.pruning.scores import View

FIELDS = {"structured": "score", "magnitude": "unstructured"}  # the preset field that names a method's way to rank
PAPER = {method: next(iter(METHODS[kind])) for method, kind in FIELDS.items()}  # the paper's way
CURVES = ("task", "title", "seed", "method", "name", "size", "share", "score", "full", "majority", "lead")
KEYS = ["method", "name", "task", "seed"]
MARGIN = 0.05  # the least lead of a full model over the majority score of which shares are averaged
QUANTITIES = {  # what is compared, and how the table names it
    "lead": "lead kept, minus the paper's",
    "target": "under 90 % of the full score later",
    "middle": "under half of the lead later",
    "lead above random": "lead kept, minus random",
}
RANKS: Looks = {
    "gate": (COLOURS["good"], ()),
    "taylor": (COLOURS["bad"], ()),
    "output": (COLOURS["super"], (5, 1.5)),
    "entropy": (COLOURS["random"], (3, 1, 1, 1)),
    "global": (COLOURS["good"], ()),
    "layer": (COLOURS["super"], (5, 1.5)),
    "snip": (COLOURS["bad"], ()),
    "random": ("#8A8A8A", (1.5, 1.5)),
}
MARK = {"color": "#6E6E6E", "linewidth": 0.9}


def by_method(study: Results) -> dict[tuple[str, str], Results]:
    """`study` under each way to rank, by (method, name): those of the registry, and the study's own, in one store."""
    found = {}
    for method, kind in FIELDS.items():
        if method in study.preset.methods:
            for name in dict.fromkeys((*METHODS[kind], getattr(study.preset, kind))):
                # the other kind's setting does not matter to these cells, and some settings exclude each other
                found[method, name] = under(study, {"importance": "exact", "importance_order": None, kind: name})
    return found


def curves(study: Results) -> pd.DataFrame:
    """All curves as columns `CURVES`, one row a task, seed, way to rank and size, the full model at size 1.

    share is the share of the prunable weights left, score the search's, on dev; lead as `stats.lead_kept` has it.
    Degenerate curves, of full models that do not beat the majority score, are left out.
    """
    frames = []
    for (method, name), one in by_method(study).items():
        cells = (Cell(task, seed, "curve", method, CURVE) for task in one.preset.tasks for seed in one.preset.seeds)
        for cell in cells:
            record = one.record(cell)
            if record is not None and not record["degenerate"]:
                arrays, least = one.trajectory(cell), record["majority"]
                same = {"task": cell.task, "title": title_of(record), "seed": cell.seed, "method": method, "name": name}
                same |= {"full": float(arrays["score"][0]), "majority": least}
                parts = {part: arrays[part] for part in ("size", "share", "score")}
                lead = lead_kept(arrays["score"], least, same["full"])
                frames.append(pd.DataFrame({**same, **parts, "lead": lead}))
    return joined(frames, CURVES)


def compared(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of `frame` of tasks that enter averages: all else is shown, and counted in none.

    A task needs every seed under every way to rank of its method, and in each a full model at least `MARGIN` above the
    majority score: where the lead itself is a handful of examples, a share of it means nothing.
    """
    kept = []
    for _, own in frame.groupby("method", sort=False):
        wanted = own["name"].nunique() * own["seed"].nunique()
        there = own.drop_duplicates(["task", "seed", "name"]).groupby("task", sort=False)
        lead = there.apply(lambda rows: (rows["full"] - rows["majority"]).min(), include_groups=False)
        kept.append(own[own["task"].isin(there.size().index[(there.size() == wanted) & (lead >= MARGIN)])])
    return pd.concat(kept, ignore_index=True) if kept else frame


def by_seed(frame: pd.DataFrame, threshold: float = 0.9) -> pd.DataFrame:
    """Each curve of `curves` in short, a row (method, name, task, seed), of the tasks of `compared`.

    lead: share of the lead kept, mean over all sizes but the full one; target: the largest size at which the score
    falls under the search's target, `threshold` of the full score (see `pruning.stopping.stop_rule` where that is no
    more than the majority score); middle: under the midpoint of the full and the majority score. 0 where it does not
    down to the smallest size.
    """
    rows = []
    for key, own in compared(frame).groupby(KEYS, sort=False):
        own = own.sort_values("size", ascending=False)
        full, least = own["full"].iloc[0], own["majority"].iloc[0]
        marks = {"target": stop_rule(full, least, threshold).target, "middle": (full + least) / 2}
        falls = {name: own.loc[own["score"] < mark, "size"].max() for name, mark in marks.items()}
        rows.append({**dict(zip(KEYS, key)), "lead": own.loc[own["size"] < 1, "lead"].mean(), **falls})
    return pd.DataFrame(rows, columns=[*KEYS, "lead", "target", "middle"]).set_index(KEYS).fillna(0.0)


def means(values: pd.DataFrame) -> pd.DataFrame:
    """`by_seed` by (method, name): means over tasks, seeds averaged within each."""
    return values.groupby(KEYS[:3], sort=False).mean().groupby(KEYS[:2], sort=False).mean()


def standings(values: pd.DataFrame) -> dict[tuple[str, str, str], Effect]:
    """How each way stands beside the paper's and a random order, by (method, name, one of `QUANTITIES`).

    `values` as from `by_seed`. In points, of the lead, and of the size by which it breaks later, so at a smaller size.
    Paired by task and seed; Holm's correction is over all differences of a kind of pruning.
    """
    found = {}
    for method in dict.fromkeys(values.index.get_level_values("method")):
        of_method, effects = values.loc[method], {}
        names = list(dict.fromkeys(of_method.index.get_level_values("name")))
        of_method = of_method.sort_index()
        for name in names:
            for quantity in QUANTITIES:
                other = "random" if quantity == "lead above random" else PAPER[method]
                if name not in (other, PAPER[method]) and other in names:
                    column = quantity if quantity in values else "lead"
                    difference = 100 * (of_method.loc[name, column] - of_method.loc[other, column])
                    effects[method, name, quantity] = effect(difference if column == "lead" else -difference)
        found |= corrected(effects)
    return found


def norm_effects(values: pd.DataFrame, without: pd.DataFrame) -> dict[str, Effect]:
    """By way to rank: lead kept with heads' scores divided by their layer's norm minus without, in points.

    Both are of `by_seed`, under the same ways; paired by task and seed, Holm's correction over the ways of s-pruning.
    """
    difference = (100 * (values["lead"] - without["lead"])).dropna()
    difference = difference[difference.index.get_level_values("method") == "structured"].droplevel("method")
    return corrected({name: effect(own.droplevel("name")) for name, own in difference.groupby("name", sort=False)})


def methods_table() -> Styler:
    """The registry: pruning, name, what it ranks by, and how to ask for it."""
    rows = [
        {"pruning": METHOD_NAMES[method], "name": name, "ranks by": known.about, "asked for by": f"{kind}={name}"}
        for method, kind in FIELDS.items()
        for name, known in METHODS[kind].items()
    ]
    return dressed(pd.DataFrame(rows), "Ways to rank; the first of each kind is the paper's.", "methods", wrapped=True)


def standings_table(effects: Mapping[tuple[str, str, str], Effect]) -> Styler:
    """`standings` as a table: one row per kind of pruning, quantity and way to rank."""
    rows = {
        (METHOD_NAMES[method], text, short(name)): one
        for method in FIELDS
        for quantity, text in QUANTITIES.items()
        for (of, name, what), one in effects.items()
        if (of, what) == (method, quantity)
    }
    caption = "Over the sizes from 95 to 5 %, in points of the lead or of the size; paired by task and seed."
    return effect_table(rows, caption, "standings", ("pruning", "difference", "ranks by"))


def mean_curves(frame: pd.DataFrame) -> Figure:
    """The lead over the majority score that is kept, mean over tasks, one panel per method, one line per way to rank.

    Bands span the means of each seed alone. The horizontal axis is the share of prunable weights left, which is the
    same for all lines of a panel.
    """
    frame = compared(frame)
    methods = [method for method in FIELDS if (frame["method"] == method).any()]
    if not methods:
        return empty_figure("Nothing to show: no curve, or no full model clearly above the majority score.")
    figure = Figure(figsize=(WIDTH if len(methods) > 1 else 4.6, 3.4), layout="constrained")
    for ax, method in zip(figure.subplots(1, len(methods), sharey=True, squeeze=False)[0], methods):
        rows = frame[frame["method"] == method]
        of_seeds = 100 * rows.groupby(["name", "size", "seed"], sort=False)[["share", "lead"]].mean()
        of_seeds = of_seeds.round({"share": 9}).reset_index()  # sums may differ in their last bit
        draw_lines(ax, of_seeds, "share", "lead", "name", looks_of(rows["name"]), band=True)
        for level, style in ((0, "-"), (100, "-"), (50, ":")):
            ax.axhline(level, linestyle=style, **MARK)
        ax.set_xlim(100, 0)
        ax.set_title(f"{METHOD_NAMES[method]} ({count(rows['task'].nunique(), 'task')})")
        ax.set_xlabel("prunable weights left (%)")
        looks = looks_of(rows["name"])
        handles = handles_of(looks, {name: short(name) for name in looks}, looks)
        ax.legend(handles=handles, loc="lower left", fontsize=8)
    figure.axes[0].set_ylabel("lead over the majority score kept (%)")
    return figure


def looks_of(names: Iterable[str]) -> Looks:
    """Colour and dashes of ways to rank, each once; one of the user's has a colour of its own."""
    own = {name: (SEED_SHADES[5 + sum(map(ord, name)) % 3], ()) for name in names}
    return {name: RANKS.get(name, look) for name, look in own.items()}


def short(name: str) -> str:
    """A way to rank as shown: one of the user's without its folder."""
    known = {known for methods in METHODS.values() for known in methods}
    return name if name in known else name.rpartition("/")[2]


def view_of_demo() -> View:
    """The demo's BERT with nothing removed, as a ranking of components gets it; without examples."""
    from lottery_utils.models.load import load_classifier  # PyTorch is needed for this alone
    from lottery_utils.pruning.masks import StructuredMask, model_sizes
    from lottery_utils.pruning.scores import View

    model = load_classifier(str(micro_bert_dir()), num_labels=2)
    sizes = model_sizes(model)
    return View(model, StructuredMask.full(sizes.layers, sizes.heads), data=None)


def written_weights(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Squared weights by which each head (L, H) and each MLP (L,) writes its output, summed by the package."""
    from lottery_utils.models.anatomy import component_sums

    body = view.body
    outputs = {id(m.weight) for layer in range(body.layers) for m in (body.attention_out(layer), body.mlp_out(layer))}
    weights = body.prunable_parameters()
    return component_sums(body, {name: w.detach().square() * (id(w) in outputs) for name, w in weights.items()})
