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
# # Which heads and MLPs survive?
#
# :::{admonition} How many heads and MLPs can go, and are they the same for every seed?
# :class: answer
#
# More than a third of BERT's heads and a quarter of its MLPs can go while nine tenths of the score stay. Which ones depends on the
# fine-tuning seed, but not wholly: of {glue:text}`heads_published` heads, {glue:text}`always_published` survive in all five seeds of a task,
# where chance would leave {glue:text}`chance_published`.
#
# Heads kept: <span class="evidence"><span class="source published">published</span> {glue:text}`kept_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`kept_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`kept_run`</span>
#
# ```{glue} claims_02
# :doc: scorecard.ipynb
# ```
# :::

# %% tags=["parameters", "hide-cell"] mystnb={"code_prompt_show": "Run this chapter: parameters", "code_prompt_hide": "Run this chapter: parameters"}
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # False: compute nothing and show gaps

# %% tags=["hide-cell", "remove-stderr"] mystnb={"code_prompt_show": "Run this chapter: what it computes and reads", "code_prompt_hide": "Run this chapter: what it computes and reads"}
import numpy as np

from lottery_book import courses, side_by_side, sources, survivors
from lottery_utils import compute, open_study, show

NEEDS = {"stages": ["search"], "methods": ["structured"]}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
published, real, run = three = sources.three_sources(study)
agreement = survivors.heads_in_every_seed(published)
show.holds("more than a third of the heads can go", survivors.sizes(published, "structured")["heads"].mean(), below=2 / 3)
show.holds("a quarter of the MLPs can go", survivors.sizes(published, "structured")["mlps"].mean(), 0.7, 0.77)
show.holds("seeds agree more than by chance", agreement.always, above=2 * agreement.chance)
show.holds("seeds do not agree wholly", agreement.always, below=agreement.heads / 4)
show.glue_numbers(
    {
        "heads_published": agreement.heads,
        "always_published": f"{agreement.always:.0f}",
        "chance_published": f"{agreement.chance:.0f}",
        "kept_published": survivors.mean_size(published, "structured", "heads"),
        "kept_real": survivors.mean_size(real, "structured", "heads"),
        "kept_run": survivors.mean_size(run, "structured", "heads"),
        "agreement_real": survivors.agreement_phrase(real),
        "agreement_run": survivors.agreement_phrase(run),
        "gaps_run": show.sentences.gap_sentence(study, "structured"),
        "rte_run": survivors.size_on(run, "rte", "structured", "heads"),
        "sst2_real": survivors.size_on(real, "sst2", "structured", "heads"),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "What the good subnetworks of one task, named above each panel, keep: the share of seeds in which a head or MLP survives {term}`s-pruning`. Layer 1 is next to the embeddings. (The paper's figure 1, s-pruning.)", "name": "fig-survival-s"}, "image": {"alt": "Maps of the share of seeds that keep each head and MLP of one task: published, real study, this run"}}
side_by_side.survival_maps(three, "structured")

# %% [markdown]
# ## What to see
#
# A head that is dark was needed with every seed, a white one with none. Most are neither. The search was run on the same task, the same
# pre-trained weights and the same data each time; only the order of the examples, the start of the classifier and dropout differed (the demo trains
# without dropout). So a map of one
# seed, as the real study shows it while it has one, must not be read as *the* subnetwork of the task.
#
# Most MLPs stay. In the published masks those of the middle layers stay most often, those of the lowest and the highest less.
#
# Do seeds agree by chance alone? Each seed keeps some share of the heads. If it drew them blindly, the heads that all seeds share would be
# few. Published: {glue:text}`always_published`, by chance {glue:text}`chance_published`. Real study: {glue:text}`agreement_real`.
# This run: {glue:text}`agreement_run`. [](08_agreement.ipynb) takes this apart, with chance levels for every measure.
#
# ## How it is computed
#
# Every head and every MLP stands behind a {term}`gate`, a factor of 1 on its output. {term}`Importance` is how strongly the loss would
# react if the gate moved. The search removes what matters least, scores what is left on the dev set, and goes on while the score stays
# above the {term}`target`. Here it is in full. What it asks the model for, a score and the importances under a mask, is looked up in the
# course that the real study stored, so it runs in a moment; it must arrive at the stored mask.

# %%
def without_lowest(kept, importance, amount):
    """`kept` without the `amount` least important of its members."""
    order = np.argsort(np.where(kept, importance, np.inf), axis=None, kind="stable")
    after = kept.copy()
    after.flat[order[: min(amount, kept.sum())]] = False
    return after


def step_of(heads, mlps):
    """The stored step that measured this mask."""
    same = (course["heads"] == heads).all(axis=(1, 2)) & (course["mlps"] == mlps).all(axis=1)
    return int(np.flatnonzero(same)[0])


for (task, seed), course in real.courses("structured").items():
    heads, mlps = course["heads"][0], course["mlps"][0]  # everything is there
    tenth = heads.size // 10
    phases = (tenth, 1), (tenth // 2, 0), (0, 1)  # together, then heads alone, then MLPs
    for amount_heads, amount_mlps in phases:
        while True:
            now = step_of(heads, mlps)
            fewer_heads = without_lowest(heads, course["head_importance"][now], amount_heads)
            fewer_mlps = without_lowest(mlps, course["mlp_importance"][now], amount_mlps)
            if course["score"][step_of(fewer_heads, fewer_mlps)] < course["target"]:
                break
            heads, mlps = fewer_heads, fewer_mlps
    good = real.good_mask(task, seed)
    assert (heads == good.heads).all() and (mlps == good.mlps).all()
    sizes = f"{heads.sum()} of {heads.size} heads and {mlps.sum()} of {mlps.size} MLPs"
    print(f"{task}, seed {seed}: {sizes}, as stored")

# %% [markdown]
# From the package here: [`structured_search`](../api/pruning.md) in {source}`lottery_utils/pruning/structured.py`, and [](../protocol.md) for the rules in words. What the importances are
# is the matter of [](07_importance.ipynb).
#
# ## The course of a search
#
# This run, step by step. {glue:text}`gaps_run`

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The structured search of one task of this run, one column per seed. Above: the dev score after each step; the dashed line is the target, crosses are masks that fell below it, the diamond is the good subnetwork. Below: heads and MLPs left. Shaded and numbered: the phases (1 heads and MLPs, 2 heads in half steps, 3 MLPs).", "name": "fig-course-s"}, "image": {"alt": "Score and share of heads and MLPs left against search steps, one column for each seed"}}
course_of_run = courses.search_course(study, "structured")
run.stamp(courses.structured_course(course_of_run, show.frames.example_task(course_of_run)))

# %% [markdown]
# What goes first is what mattered least in the full model. The order changes on the way, since importance is measured anew after each step.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Importance of heads and MLPs in the full model of this run, before anything is pruned; mean over seeds. Heads are normalised within their layer, MLPs are not, so compare heads with heads and MLPs with MLPs.", "name": "fig-importance"}, "image": {"alt": "Maps of importance by layer and head, a panel for each task"}}
run.stamp(survivors.importance_of_tasks(study))

# %% [markdown]
# ## Across tasks
#
# Some heads are kept by most tasks. The paper counts, for every seed, the tasks in which a component survives.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The share of tasks in which a head or MLP survives s-pruning, mean over seeds. (The paper's figure 2, there as a number of nine tasks; for WNLI all of BERT could go.)", "name": "fig-survival-across"}, "image": {"alt": "Maps of the share of tasks in which each head and MLP survives: published, real study, this run"}}
side_by_side.survival_across_tasks(three)

# %% tags=["remove-input"]
survivors.size_table(three, "structured")

# %% [markdown]
# ## What this does not show
#
# - The target is a share of the score on the dev set that the search also selects on. [](18_selection.ipynb) scores subnetworks on examples
#   that did not choose them.
# - A head that goes early may have gone for another head that does the same: importance is measured one gate at a time.
# - Maps of one seed say nothing about stability.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `papermill notebooks/02_structured.ipynb out.ipynb -p tasks '["rte"]'` | 42 s | this chapter for one task: {glue:text}`rte_run` of the heads stay |
# | `lottery run --preset demo --tasks rte --set threshold=0.8 --results try` | 59 s | fewer than {glue:text}`rte_run` of the heads stay |
# | `lottery run --preset base --tasks sst2 --seeds 1337 --results results` | 45 to 90 minutes, estimated | the real study's map: {glue:text}`sst2_real` of the heads stay |
#
# **Exercise 1.** The map of one seed is a draw. How many of 12 × 12 heads would two seeds share if each kept half of them blindly?
#
# :::{dropdown} Answer
# Each head is kept by both with probability 1/4: 36 of 144. Five seeds would share 144 / 32 = 4.5.
# :::
#
# **Exercise 2.** The search removes one MLP for every tenth of the heads. Why can more of the MLPs stay than of the heads?
#
# :::{dropdown} Answer
# The first phase ends when the score falls below the target, after a few steps. The third phase goes back to the last mask that passed and
# takes MLPs one by one until one is too many. Each is a large bite: an MLP holds two thirds of a layer's weights.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
