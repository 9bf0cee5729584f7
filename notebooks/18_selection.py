# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is a subnetwork as good where nobody chose it?
#
# How much of a good subnetwork's score comes from being measured on the examples that chose it?
#
# The paper searches masks on the dev set and reports all scores on the same dev set {cite}`prasanna2020`. Two designs undo that:
#
# - **halves**: each dev set is cut in two at random. A search on one half finds the mask, the other half scores it; then the
#   halves change places. The fine-tuned models stay as they are. Scores are shares of the full model's on the same half, so a
#   half that happens to be easy does not count;
# - **held out**: examples of train, as many as dev has (at most half of train), are taken out *before* fine-tuning, as a mask chosen
#   on what the weights were fitted to would not be honest either. One search chooses on them, another on dev, for the same
#   weights, and dev scores both.
#
# **What was run.** {glue:text}`selection_run`. Demo: {glue:text}`selection_demo_cost`; {glue:text}`selection_demo_on`. Real BERT:
# {glue:text}`selection_laptop_cost`; {glue:text}`selection_laptop_on`. The records came with the repository; nothing is computed on this page.
#
# **The answer.** {glue:text}`selection_answer`

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import selection
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = [
    {
        "stages": ["score"],
        "methods": ["structured"],
        "subnetworks": ["good"],
        "overrides": [{}, {"selection": "half"}, {"selection": "other_half"}],
        "records": "records/selection/demo",
    },
    {
        "stages": ["score"],
        "methods": ["structured"],
        "subnetworks": ["good", "random", "bad"],
        "overrides": [{"held_out": 1.0}, {"held_out": 1.0, "selection": "held_out"}],
        "records": "records/selection/demo",
    },
    {"stages": ["hans", "hans_retrain"]},
    {"preset": "laptop", "overrides": {"precision": "bf16"}, "records": "records/selection/laptop"},
]
study, *_, on_hans, laptop = compute(open_study(preset, tasks, seeds, overrides, results_dir), NEEDS, compute_missing)
studies = {"demo": study, "real BERT": laptop}

# %% tags=["hide-input"]
halves = {name: selection.frames.half_scores(study) for name, study in studies.items()}
seen = {name: selection.frames.seen_effects(own) for name, own in halves.items()}
folds = {name: {"selection": name} for name in selection.frames.FOLDS}
alike = {name: selection.frames.overlaps(study, folds) for name, study in studies.items()}
chosen = {name: selection.frames.chosen(study) for name, study in studies.items()}
choosers = {
    name: selection.frames.chooser_effects(frame, ("good", *selection.frames.SIZES)) for name, frame in chosen.items()
}
held = {
    name: selection.text.held_out_sentences(
        chosen[name],
        choosers[name],
        selection.frames.overlaps(study, selection.frames.CHOOSERS),
        selection.frames.lottery(chosen[name]),
        show.stats.effect(selection.frames.full_with_and_without(study)),
    )
    for name, study in studies.items()
}
hans_scores = selection.frames.hans_scores(on_hans)
show.glue_numbers(
    {
        "selection_run": selection.text.run_sentence(halves, chosen),
        "selection_demo_cost": show.stored.cost_of(studies["demo"]),
        "selection_laptop_cost": show.stored.cost_of(studies["real BERT"]),
        "selection_demo_on": show.sentences.run_on(studies["demo"]),
        "selection_laptop_on": show.sentences.run_on(studies["real BERT"]),
        "selection_answer": selection.text.answer_sentence(seen, choosers),
        "selection_demo_seen": selection.text.seen_sentence(halves["demo"], seen["demo"]),
        "selection_laptop_seen": selection.text.seen_sentence(halves["real BERT"], seen["real BERT"]),
        "selection_demo_alike": selection.text.overlap_sentence(alike["demo"], "the masks that two halves choose"),
        "selection_laptop_alike": selection.text.overlap_sentence(
            alike["real BERT"], "the masks that two halves choose"
        ),
        "selection_hans": selection.text.hans_sentence(hans_scores, on_hans),
        "selection_demo_good": held["demo"]["good"],
        "selection_demo_weights": held["demo"]["weights"],
        "selection_demo_alike_chosen": held["demo"]["alike_chosen"],
        "selection_demo_threshold": held["demo"]["threshold"],
        "selection_demo_lottery": held["demo"]["lottery"],
        "selection_demo_price": held["demo"]["price"],
        "selection_laptop_good": held["real BERT"]["good"],
        "selection_laptop_weights": held["real BERT"]["weights"],
        "selection_laptop_alike_chosen": held["real BERT"]["alike_chosen"],
        "selection_laptop_threshold": held["real BERT"]["threshold"],
        "selection_laptop_lottery": held["real BERT"]["lottery"],
        "selection_laptop_price": held["real BERT"]["price"],
    }
)

# %% [markdown]
# ## Halves of dev

# %% mystnb={"figure": {"caption": "Scores of good subnetworks, pruned, on the half of dev that chose them and on the other half, as shares of the full model's on the same examples. A line a task, mean over seeds and both ways round; diamonds are means over tasks.", "name": "fig-selection-halves"}, "image": {"alt": "Lines from the score on the examples that chose the mask to the score on others, a panel a study and method, with the level where searches stop"}}
selection.figures.seen_pairs(
    halves, {"demo": "demo", "real BERT": "real BERT, real GLUE"}, studies["demo"].preset.threshold
)

# %% mystnb={"figure": {"caption": "The score on the examples that chose the mask minus that on the others, paired by task and seed. Numbers count tasks.", "name": "fig-selection-seen"}, "image": {"alt": "Points with intervals, a row a study and method, in points of the full model's score"}}
selection.figures.seen_forest(seen)

# %% [markdown]
# **What to see.** Demo: {glue:text}`selection_demo_seen` Real BERT: {glue:text}`selection_laptop_seen` The left ends lie above the
# level where searches stop, by construction; the right ends are what the subnetworks are worth. Points are of the full model's
# score: where that is low, as the real BERT's on CoLA, a few examples of a half move it by many points, so one task says little.
#
# {glue:text}`selection_demo_alike` Real BERT: {glue:text}`selection_laptop_alike`

# %%
selection.text.halves_table(
    halves["demo"],
    "Demo: shares of the full model's score on the half that chose the mask and on the other; means over seeds and halves.",
    "selection-halves-demo",
)

# %%
selection.text.halves_table(halves["real BERT"], "Real BERT: the same.", "selection-halves-laptop")

# %% [markdown]
# ## Held out of train

# %% mystnb={"figure": {"caption": "Dev scores of good, random and bad subnetworks, pruned, as shares of the full model's: masks chosen on dev (light) and on held-out examples of train (dark), for the same fine-tuned models. Dots are seeds.", "name": "fig-selection-held-out"}, "image": {"alt": "Groups of six bars, one group a task: good, random and bad subnetworks, each chosen on dev and held out"}}
selection.figures.chooser_bars(chosen["demo"], "structured", "demo")

# %% mystnb={"figure": {"caption": "The same for the real BERT on real GLUE data.", "name": "fig-selection-held-out-laptop"}, "image": {"alt": "Groups of six bars, one group a task of the real BERT: good, random and bad subnetworks, each chosen on dev and held out"}}
selection.figures.chooser_bars(chosen["real BERT"], "structured", "real BERT, real GLUE")

# %% mystnb={"figure": {"caption": "Chosen on dev minus chosen held out, paired by task and seed: dev score in points of the full model's, and shares kept in points. Numbers count tasks.", "name": "fig-selection-choosers"}, "image": {"alt": "Points with intervals, a row a study and method, panels for dev score, weights, heads and MLPs kept"}}
selection.figures.chooser_forest(
    choosers, {"good": "dev score", "weights": "weights kept", "heads": "heads kept", "mlps": "MLPs kept"}
)

# %% [markdown]
# **What to see.** Demo: {glue:text}`selection_demo_good` {glue:text}`selection_demo_weights` {glue:text}`selection_demo_alike_chosen`
# {glue:text}`selection_demo_threshold`
#
# Real BERT: {glue:text}`selection_laptop_good` {glue:text}`selection_laptop_weights` {glue:text}`selection_laptop_alike_chosen`
# {glue:text}`selection_laptop_threshold`
#
# Does the lottery stay? Demo: {glue:text}`selection_demo_lottery` Real BERT: {glue:text}`selection_laptop_lottery`
#
# What does honesty cost? Demo: {glue:text}`selection_demo_price` Real BERT: {glue:text}`selection_laptop_price`

# %%
selection.text.chosen_table(
    chosen["demo"],
    "Demo: dev scores of pruned subnetworks as shares of the full model's, shares kept, and the full model's score on dev and on what chooses; means over seeds.",
    "selection-chosen",
)

# %%
selection.text.chosen_table(chosen["real BERT"], "Real BERT: the same.", "selection-chosen-laptop")

# %% [markdown]
# ## Out of distribution: HANS
#
# HANS {cite}`mccoy2019` asks whether an MNLI model reads more than word overlap. It has two classes: entailment is MNLI's
# entailment, non-entailment is neutral or contradiction. With the file at hand, `papermill notebooks/18_selection.ipynb OUT.ipynb -p preset paper
# -p overrides '{"hans": "heuristics_evaluation_set.txt"}'` scores the full model and every subnetwork of a preset, pruned and retrained, and
# shows it here; `lottery run --preset paper --tasks mnli --stages hans hans_retrain --set hans=FILE` only computes.
#
# {glue:text}`selection_hans`

# %%
selection.text.hans_table(hans_scores)

# %% [markdown]
# ## What this does not show
#
# A half of a dev set is half as many examples: a search on it is noisier than one on all of dev, so the difference found there is
# rather above than below that of the paper's design. Which examples are held out was drawn once for each task; seeds vary the training only. The demo's
# dev sets hold sentences that are in no train set, its held-out examples do not, so they differ in more than having been
# chosen on. The real BERT is a distilled one of six layers, searched on few tasks with two seeds. Scores after
# retraining were not compared. What no figure names was not run: the same settings choose masks of m-pruning too.
#
# ## The records
#
# They came with the repository; of your own study this chapter computes what `NEEDS` says.

# %%
show.tables.provenance_table(studies["demo"])

# %%
show.tables.provenance_table(studies["real BERT"])
