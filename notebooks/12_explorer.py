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
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# (explorer)=
# # Watch a search
#
# :::{admonition} Which heads go first, and does another seed take the same way?
# :class: answer
#
# The least important ones go first, until a tenth of the score is lost. Another fine-tuning seed takes another way: good subnetworks of
# two seeds share about half of the heads that either of them keeps. Two blind draws of their sizes would share two fifths.
#
# Jaccard of seeds: <span class="evidence"><span class="source published">published</span> {glue:text}`badge_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`badge_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`badge_run`</span>
#
# ```{glue} claims_12
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

from lottery_book import agreement, explorer, side_by_side, sources, survivors
from lottery_utils import compute, open_study, show

NEEDS = {"stages": ["search"]}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
published, real, run = three = sources.three_sources(study)
of_published = survivors.seed_jaccards(published).mean()
overlap_published, overlap_real, overlap_run = map(survivors.jaccard_phrase, three)
show.holds("two seeds share half of the heads", of_published["jaccard"], 0.45, 0.55)
show.holds("by chance two fifths", of_published["chance"], 0.35, 0.45)
show.glue_numbers(
    {
        "badge_published": overlap_published.partition(",")[0],
        "badge_real": overlap_real.partition(",")[0],
        "badge_run": overlap_run.partition(",")[0],
        "overlap_published": overlap_published,
        "overlap_real": overlap_real,
        "overlap_run": overlap_run,
        "gaps_run": show.sentences.gap_sentences(study),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Searches step by step. On the screen: choose a task, a method and what each of the two maps shows, and move the slider. In print: where the s-pruning searches of one task end.", "name": "fig-explorer"}, "image": {"alt": "Maps of the share of seeds that keep each head and MLP of one task: published, real study, this run"}}
side_by_side.survival_maps(three, "structured")

# %% tags=["remove-input"]
explorer.page.explorer([*three, sources.smaller_source()], "fig-explorer")

# %% [markdown]
# The address of this page holds what the maps show: copy it to pass a view on. Three to begin with:
#
# - <a href="#fig-explorer-chart?task=sst2&amp;method=structured&amp;panel0=1/1337&amp;panel1=0/all&amp;step=0">the real study's search of
#   SST-2 from its first step</a>, beside the share of the paper's five seeds that keep a head;
# - <a href="#fig-explorer-chart?task=mrpc&amp;method=structured&amp;panel0=3/1337&amp;panel1=3/42">two seeds of MRPC</a>, MiniLM;
# - <a href="#fig-explorer-chart?task=cola&amp;method=magnitude&amp;panel0=2/1337&amp;panel1=0/all">m-pruning of CoLA in this run</a>, beside
#   the published shares of weights.
#
# ## What to see
#
# - **S-pruning.** A framed cell goes at the next step, a crossed one went at this step. When a step falls below the {term}`target`, the
#   search goes back to the last subnetwork that passed and tries a finer step: heads alone, then MLPs alone. The diamond is where it ends,
#   the {term}`good subnetwork`. Importances are measured anew at every step: what was cheap to lose at first need not stay so.
# - **M-pruning.** No component goes as a whole; the number in a cell is the per cent of its weights that are left. See
#   [](03_magnitude.ipynb).
# - **Seeds.** Put another seed of the same task into the right map. The line above the maps says how many heads both end with.
#   Published: {glue:text}`overlap_published`. Real study: {glue:text}`overlap_real`. This run: {glue:text}`overlap_run`.
# - **Published.** The release has the masks where its searches ended, not the steps. So its map has no slider; it shows in what share of
#   five seeds a component survives, and stands beside every map of a model with BERT's grid when you point at a head.
#
# ## How it is computed
#
# The search itself stands in [](02_structured.ipynb), in full. Two seeds are compared like this; chance is what the second would share
# with the first if it placed as many heads blindly:

# %%
survival = show.frames.component_survival(study, "structured")
heads = survival[survival["component"] == "head"]

for task, rows in heads.groupby("task", sort=False):
    kept = rows.pivot(index="seed", columns=["layer", "head"], values="kept").to_numpy() == 1
    if len(kept) < 2:
        continue
    first, second = kept[:2]
    jaccard = (first & second).sum() / (first | second).sum()

    blind = np.random.default_rng(0).permuted(np.tile(second, (10_000, 1)), axis=1)
    by_chance = ((first & blind).sum(axis=1) / (first | blind).sum(axis=1)).mean()
    sizes = f"{first.sum()} and {second.sum()} of {first.size} heads"
    print(f"{task}: {sizes}; Jaccard {jaccard:.2f}, by chance {by_chance:.2f}")
    in_closed_form = agreement.coefficients.chance_pair_jaccard(kept[:2])  # the package's
    assert abs(by_chance - in_closed_form) < 0.01

# %% [markdown]
# [](08_agreement.ipynb) takes agreement apart. The maps are drawn from the stored courses by Vega, which is part of this book: a page asks
# the network for nothing.
#
# From the package here: [`component_survival`](../api/show.md) in {source}`lottery_utils/show/frames.py`, and the closed form in
# {source}`lottery_book/agreement/coefficients.py`.
#
# ## What this does not show
#
# - The demo's language is made up: its tasks are like GLUE's in form only, and its grid of heads is not BERT's.
# - One search is one draw. What looks like a rule in one map may be gone with the next seed.
# - A step shows the score on the dev set that the search selects on, see [](18_selection.ipynb).
# - {glue:text}`gaps_run`
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `lottery run --preset demo --tasks rte --set threshold=0.8 --results try` | 59 s | longer searches, smaller subnetworks |
# | `papermill notebooks/12_explorer.ipynb out.ipynb -p results_dir try -p tasks '["rte"]' -p overrides '{"threshold": 0.8}'` | 6 s | this chapter on them |
# | `papermill notebooks/12_explorer.ipynb out.ipynb -p tasks '["rte"]' -p seeds '[1337, 42]'` | 24 s | two seeds of RTE-like beside each other, with the Jaccard index printed above |
#
# **Exercise 1.** Find a head that the first step of a search frames and that a search with another seed keeps to its end.
#
# :::{dropdown} Answer
# There are many. A head's importance is measured on a model that has been fine-tuned, and another seed gives another model: what it
# stores where differs. Put the two seeds side by side at step 0 and compare the colours of the same cell.
# :::
#
# **Exercise 2.** At which step of a search does the score fall most? Is it where most heads go?
#
# :::{dropdown} Answer
# Mostly at the end, and every step of the first phase takes equally many heads. What is left by then matters more, and the same bite costs more.
# :::
#
# :::{dropdown} Run this chapter
# The maps of the real study and of MiniLM come from the records in the repository. This run: {glue:text}`provenance_run`. Versions and
# times: [](status.ipynb).
# :::
