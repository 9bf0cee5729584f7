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
#

# %% [markdown]
# # What survives in every seed?
#
# Good subnetworks differ between fine-tuning seeds. The components that are good in *every* seed of a task are its
# {term}`super-survivors`. If a task needs certain heads and MLPs, these should be they: so they are scored and
# retrained as the other subnetworks are, beside two subnetworks of their size, `super random` and `super bad`.
#
# **What the paper says** {cite}`prasanna2020`. It draws bars of the super-survivors and of their counterparts, pruned and
# retrained. {glue:text}`super_published`
#
# **How they are made here.** *Super-survivors*: good in all seeds, so the mask is the same for each. *Super bad*: of the same
# size, from components pruned in every seed, filled up at random with others that are no super-survivors; *super random*: of the same
# size, from components in neither of the two. Both are drawn anew for each seed. The authors draw `super bad` once and keep it for
# all seeds, so that its deviation shows the noise of training only; and neither of theirs can take up super-survivors, where
# here these fill up when nothing else is left. Super-survivors that exclude each other's components are no
# random sample of the model: `super random` is a control of size, not of chance.
#
# **What this chapter was run on.** {glue:text}`run_on_super`. {glue:text}`super_left_out`

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import super_survivors
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = {
    "stages": ["score", "retrain"],
    "methods": ["structured"],
    "subnetworks": ["good", "super", "super_random", "super_bad"],
    "demo_tasks": ["cola", "sst2", "mrpc", "rte"],
}
study = open_study(preset, tasks, seeds, overrides, results_dir)
chosen = compute(study, NEEDS, compute_missing)[0].preset.tasks

# %% tags=["hide-input"]
table = study.table(
    ["finetune", "search", "control", "score", "retrain"], ["structured"], ["good", *super_survivors.SUPERS]
)
table = table[table["task"].isin(chosen)]
results = show.scores.results(table)


def better(first, second):
    return show.sentences.comparison_sentence(results, "structured", first, second)


show.glue_numbers(
    {
        "run_on_super": show.sentences.run_on(study),
        "super_left_out": super_survivors.left_out_sentence(study, chosen, results),
        "super_kept": super_survivors.super_kept_sentence(results),
        "super_published": super_survivors.published_sentence(),
        "super_over_random": better(("super", "pruned"), ("super_random", "pruned")),
        "super_random_over_bad": better(("super_random", "pruned"), ("super_bad", "pruned")),
        "super_over_random_again": better(("super", "retrained"), ("super_random", "retrained")),
        "super_over_bad_again": better(("super", "retrained"), ("super_bad", "retrained")),
        "super_over_good": better(("super", "retrained"), ("good", "retrained")),
    }
)

# %% [markdown]
# ## How many there are

# %%
super_survivors.size_table(table)

# %% [markdown]
# How many would survive in every seed by chance is in [](08_agreement).
#
# ## What they score

# %% mystnb={"figure": {"caption": "Super-survivors, and subnetworks of their size drawn from the other components: pruned (light) and retrained (full colour). Titles count what super-survivors keep, with its share of the prunable weights. Bars are means over seeds, dots are seeds, the dashed line is the majority score. (The paper's bars of super-survivors.)", "name": "fig-super"}, "image": {"alt": "Bars of majority, full model, super-survivors, super random and super bad, a panel for each task"}}
super_survivors.super_bars(results, table)

# %% [markdown]
# {glue:text}`super_kept` The authors' own bars are in {numref}`fig-authors-bars-super`.
#
# ## All numbers

# %%
show.tables.results_table(results, "Dev scores, mean ± sample deviation over seeds.", "super-results")

# %% tags=["hide-output"]
show.tables.seed_table(results, "Every seed's score.", "super-seeds")

# %% [markdown]
# ## What to see
#
# Were super-survivors the heart of the model, they would lead their counterparts clearly, and retrained they would come close to
# the larger good subnetworks. Differences are in points of the full model's score, paired by task and seed.
#
# | if super-survivors are special | this run |
# |---|---|
# | pruned: super-survivors above super random | {glue:text}`super_over_random` |
# | pruned: super random above super bad | {glue:text}`super_random_over_bad` |
# | retrained: super-survivors above super random | {glue:text}`super_over_random_again` |
# | retrained: super-survivors above super bad | {glue:text}`super_over_bad_again` |
# | retrained: super-survivors above the larger good ones | {glue:text}`super_over_good` |
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
