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
# # Do tasks share components? Do seeds agree?
#
# :::{admonition} Does another fine-tuning seed find the same heads, and another task?
# :class: answer
#
# Another seed finds more of the same heads than chance would, and still far from the same. Two published masks of a task have a Jaccard index
# of {glue:text}`jaccard_published`. Different tasks share a little more than by chance: {glue:text}`shared_published` heads.
#
# Jaccard index of two seeds' heads: <span class="evidence"><span class="source published">published</span> {glue:text}`badge_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`badge_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`badge_run`</span>
#
# ```{glue} claims_08
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

from lottery_book import agreement, sources
from lottery_utils import compute, open_study, show

by_source = agreement.by_source
NEEDS = {"stages": ["search"], "methods": ["structured"]}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
published, real, run = three = sources.three_sources(study)
seeds_of = {source: by_source.seeds_of(source) for source in three}
shared = {source: by_source.shared_by_tasks(source) for source in three}
supers = {source: by_source.shared_by_tasks(source, supers=True) for source in three}
heads = seeds_of[published].query("component == 'head'")
show.holds("seeds agree more than by chance on every task", (heads["jaccard"] - heads["chance"]).min(), above=0.05)
show.holds("and far from the same", heads["jaccard"].max(), below=0.65)
mlps = seeds_of[published].query("component == 'mlp'")
show.holds("on MLPs hardly more than chance", (mlps["jaccard"] - mlps["chance"]).mean(), above=0, below=0.05)
show.glue_numbers(
    {
        "jaccard_published": by_source.mean_jaccard(seeds_of[published]),
        "jaccard_mlps": by_source.mean_jaccard(seeds_of[published], "mlp"),
        "shared_published": by_source.mean_shared(shared[published]),
        "shared_real": by_source.mean_shared(shared[real]),
        "shared_run": by_source.mean_shared(shared[run]),
        "supers_published": by_source.mean_shared(supers[published]),
        "supers_run": by_source.mean_shared(supers[run]),
        "badge_published": by_source.mean_jaccard(seeds_of[published]),
        "badge_real": by_source.mean_jaccard(seeds_of[real]),
        "badge_run": by_source.mean_jaccard(seeds_of[run]),
        "rte_run": by_source.mean_jaccard(seeds_of[run].query("task == 'rte'")),
        "shared_two": by_source.mean_shared(shared[run].query("task_a in ['rte', 'mrpc'] and task_b in ['rte', 'mrpc']")),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "How alike the masks of two seeds of one task are: the mean Jaccard index over pairs of seeds, and what random masks of the same sizes would have.", "name": "fig-seed-jaccard"}, "image": {"alt": "Jaccard index of pairs of seeds beside its chance level, heads above and MLPs below, a place for each task; published, real study, this run"}}
by_source.likeness(seeds_of)

# %% [markdown]
# ## What to see
#
# The Jaccard index of two masks is the number of components that both keep, divided by the number that at least one keeps. Equal masks have 1.
#
# The paper calls good subnetworks unstable, and they are: on no task does the published index reach two thirds. But "unstable" is not "arbitrary".
# For heads the diamond lies above its dash on every task. Seeds know something in common about heads; about MLPs they hardly do: published
# {glue:text}`jaccard_mlps`.
#
# The dash is the point of the picture. Two masks that each keep most heads share most heads, whatever they are. A count of shared
# components without its chance level says next to nothing.
#
# ## How it is computed
#
# The chance level is what masks of the same sizes would reach if they were drawn blindly. For the five published masks of CoLA, by drawing:

# %%
def jaccard(a, b):
    return (a & b).sum() / (a | b).sum()


masks = sources.published.table("masks_of_seeds")
of_cola = masks.query("family == 'heads_mlps' and task == 'cola' and component == 'head'")
rng, drawn = np.random.default_rng(0), []
for _ in range(2_000):
    draws = [rng.choice(144, size, replace=False) for size in of_cola["kept"]]
    blind = [np.isin(np.arange(144), draw) for draw in draws]
    drawn.append(np.mean([jaccard(a, b) for i, a in enumerate(blind) for b in blind[:i]]))

# the package's chance level comes from the hypergeometric distribution
exact = heads.query("task == 'cola'")["chance"].item()
assert abs(np.mean(drawn) - exact) < 0.003
print(f"by chance {np.mean(drawn):.3f} (drawn), {exact:.3f} (exact)")
print(f"the published masks: {heads['jaccard'].iloc[0]:.3f}")

# %% [markdown]
# The permutation test goes the same way: it moves the components of each seed about at random and asks how often chance reaches what was measured.
#
# From the package here: the coefficients in {source}`lottery_book/agreement/coefficients.py`, overlaps in {source}`lottery_book/agreement/overlap.py`. The modules of
# chapters have no page in [the package](../api.md), which is the method.
#
# ## What each statistic can and cannot show
#
# The paper judges seeds by Cochran's Q and Fleiss' kappa. Four made-up cases, five masks of 144 heads each, show what these see:

# %% tags=["remove-input"]
by_source.examples_table()

# %% [markdown]
# - **Cochran's Q** compares *how many* components seeds keep, not which. It does not reject *disjoint* masks of one size, and it is 0/0 for
#   *identical* ones. "Not rejected" is therefore no evidence of agreement. By the authors' measure, the share of **pairs not rejected**,
#   identical masks score worst.
# - **Fleiss' kappa** compares identities: 1 is full agreement, 0 what raters with one common rate of keeping would reach. It counts agreement on
#   what is *removed* as well, and takes unequal sizes for disagreement (*nested*).
# - **The Jaccard index** looks at kept components only. Its chance level grows with the sizes, so it must be read next to that.
# - **The permutation test** takes sizes as given. A small p says that seeds agree more than by chance, not that they agree well.
#
# All sources, by every statistic:

# %% tags=["remove-input"]
by_source.seed_table(seeds_of)

# %% [markdown]
# ## Do tasks share components?
#
# For two tasks, the components that survive in both, with the same seed. By chance, masks of $n_a$ and $n_b$ of $N$ components share
# $n_a n_b / N$. Heads, published: {glue:text}`shared_published`. Real study: {glue:text}`shared_real`. This run: {glue:text}`shared_run`.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Heads and MLPs that survive in both of two tasks, beyond what chance would give: blue more, red fewer. Full blue: the smaller mask lies within the larger. (The paper's figures of overlaps.)", "name": "fig-overlap"}, "image": {"alt": "Matrices of surviving heads and MLPs that two tasks share beyond chance: published, real study, this run"}}
by_source.shared(shared)

# %% [markdown]
# The published excess is small. For heads it has one sign on every pair of tasks, for MLPs it does not. A permutation test over all pairs decides whether it is chance; its
# verdict stands on the [scorecard](scorecard.ipynb). A taste for certain layers that all tasks have in common counts as sharing too.
#
# ### Super-survivors
#
# Components that survive in every seed of a task are its {term}`super-survivors`. Two tasks share {glue:text}`supers_published` such heads (published),
# {glue:text}`supers_run` (this run).

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The same for super-survivors. (The paper's appendix, super-survivor overlaps.)", "name": "fig-overlap-super"}, "image": {"alt": "Matrices of super-surviving heads and MLPs that two tasks share beyond chance: published, real study, this run"}}
by_source.shared(supers)

# %% [markdown]
# ## What this does not show
#
# - Masks that differ may do the same work. Two heads of one layer can stand in for each other, and identity of heads is all that is compared here.
# - Seeds differ in the order of the examples, the classifier's start and dropout. Other pre-training runs would differ more.
# - Components are taken as exchangeable. A common taste for a layer is agreement, in every statistic of this page.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `papermill notebooks/08_agreement.ipynb out.ipynb -p tasks '["rte","mrpc"]'` | 40 s | this chapter for two tasks, which share {glue:text}`shared_two` heads |
# | `lottery run --preset demo --tasks rte --seeds 1 2 3 4 5 --results try` | 85 s | five seeds of one task, as the paper has |
# | `papermill notebooks/08_agreement.ipynb out.ipynb -p seeds '[1,2,3,4,5]' -p tasks '["rte"]' -p results_dir try` | 7 s | Jaccard of these five; of the demo's three it is {glue:text}`rte_run` |
#
# **Exercise 1.** Make five masks of one size that share no head, and that Cochran's Q does not reject.
#
# :::{dropdown} Answer
# The *disjoint* row above: each seed keeps its own fifth of the heads. All seeds keep equally many, which is all that Q looks at.
# :::
#
# **Exercise 2.** Two masks of 144 heads keep 72 each. Which Jaccard index would chance give, roughly?
#
# :::{dropdown} Answer
# They share 36 and keep 108 between them: one third.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
