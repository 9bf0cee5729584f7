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
# If a {term}`good subnetwork` held what a task needs, two fine-tuning seeds should find the same one, and related tasks should share
# parts of theirs.
#
# **What the paper says.** Good subnetworks are unstable: they differ between fine-tuning seeds of one task. It counts the components
# that two tasks share, and tests the seeds with Cochran's Q and Fleiss' kappa {cite}`prasanna2020`.
#
# **What is added here.** A count of shared components needs the count that chance would give beside it: two masks that each keep
# most heads share most heads, whatever they are. So each number below stands next to its chance level, and seeds are compared by a
# statistic that asks for the *same* components, with a permutation test.
#
# **What this chapter was run on.** {glue:text}`run_on_agreement`.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import agreement
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = {"stages": ["search"], "methods": ["structured"]}
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)

# %% tags=["hide-input"]
survival = show.frames.component_survival(study, "structured")
shared = agreement.overlap.task_overlap(survival)
counts = agreement.overlap.super_counts(survival)
shared_super = agreement.overlap.task_overlap(agreement.overlap.super_survivors(survival))
statistics = agreement.coefficients.agreement(survival)
show.glue_numbers(
    {
        "run_on_agreement": show.sentences.run_on(study),
        "gaps_agreement": show.sentences.gap_sentence(study, "structured"),
        "overlap_heads": agreement.stability.overlap_sentence(
            shared, agreement.overlap.overlap_test(survival, "head"), "head"
        ),
        "overlap_mlps": agreement.stability.overlap_sentence(
            shared, agreement.overlap.overlap_test(survival, "mlp"), "mlp"
        ),
        "supers": agreement.stability.super_sentence(counts),
        "seeds_heads": agreement.stability.seeds_sentence(statistics, "head"),
        "seeds_mlps": agreement.stability.seeds_sentence(statistics, "mlp"),
        "cochran": agreement.stability.cochran_sentence(statistics),
    }
)

# %% [markdown]
# ## Do tasks share components?
#
# For two tasks, the number of components that survive in both, with the same fine-tuning seed. By chance, masks of $n_a$ and $n_b$
# of $N$ components share $n_a n_b / N$. {glue:text}`gaps_agreement`

# %% mystnb={"figure": {"caption": "Heads that survive in both of two tasks: mean \u00b1 sample standard deviation over seeds above the diagonal, what chance would give below it, and on it how many a task keeps. Blue: more than by chance, red: fewer. (The paper's figure of overlaps, heads.)", "name": "fig-overlap-heads"}, "image": {"alt": "Matrix of the number of surviving heads that two tasks share, with the chance level"}}
agreement.overlap_figures.overlap_matrix(shared, "head")

# %% mystnb={"figure": {"caption": "MLPs that survive in both of two tasks, in the same way. (The paper's figure of overlaps, MLPs.)", "name": "fig-overlap-mlps"}, "image": {"alt": "Matrix of the number of surviving MLPs that two tasks share, with the chance level"}}
agreement.overlap_figures.overlap_matrix(shared, "mlp")

# %% tags=["hide-output"]
agreement.stability.overlap_table(shared)

# %% [markdown]
# **What to see.** {glue:text}`overlap_heads` {glue:text}`overlap_mlps` The test permutes a task's components over the whole model,
# in the same way for all its seeds: what the seeds of a task have in common is no evidence that tasks share. A preference for certain
# layers that all tasks have in common counts as sharing too.
#
# ### Super-survivors
#
# Components that survive in every seed of a task are its {term}`super-survivors`. {glue:text}`supers`

# %%
agreement.stability.super_table(counts)

# %% mystnb={"figure": {"caption": "Super-surviving heads that two tasks share, above the diagonal; what chance would give, below it; on it how many a task has. (The paper's appendix, super-survivor overlaps.)", "name": "fig-overlap-super-heads"}, "image": {"alt": "Matrix of the number of super-surviving heads that two tasks share, with the chance level"}}
agreement.overlap_figures.overlap_matrix(shared_super, "head", "super-surviving")

# %% mystnb={"figure": {"caption": "Super-surviving MLPs that two tasks share, in the same way. (The paper's appendix, super-survivor overlaps.)", "name": "fig-overlap-super-mlps"}, "image": {"alt": "Matrix of the number of super-surviving MLPs that two tasks share, with the chance level"}}
agreement.overlap_figures.overlap_matrix(shared_super, "mlp", "super-surviving")

# %% [markdown]
# ## Do seeds agree?
#
# The Jaccard index of two masks is the number of components that both keep, divided by the number that at least one keeps: 1 for equal
# masks, 0 for masks without a common part.

# %% mystnb={"figure": {"caption": "How alike the masks of two seeds are: the Jaccard index of each pair of seeds, their mean, and what random masks of the same sizes would have. Above each task the p of the permutation test, uncorrected; a dash where there is nothing to test.", "name": "fig-seed-jaccard"}, "image": {"alt": "Jaccard index of pairs of seeds, heads above and MLPs below, a place for each task, with mean, chance level and p"}}
agreement.overlap_figures.seed_jaccards(survival, statistics)

# %%
agreement.stability.agreement_table(statistics)

# %% [markdown]
# **What to see.** That good subnetworks are unstable can mean two things. Seeds do not find the *same* components: then the index is
# below 1. Or they agree *no more than by chance*: then it is at its chance level. {glue:text}`seeds_heads`
# {glue:text}`seeds_mlps` {glue:text}`cochran`
#
# ## What each statistic can and cannot show
#
# Four made-up cases, five masks of 144 heads each, say it best:

# %%
agreement.stability.examples_table()

# %% [markdown]
# - **Cochran's Q** takes components as blocks and seeds as treatments. Its null hypothesis is that each seed keeps a component with
#   the same probability, so what it compares is *how many* components seeds keep. *Disjoint* masks, and *random* ones, of one size are
#   not rejected; *nested* masks, which agree wherever they can, are; and for *identical* masks, the best agreement there is, Q is
#   0/0. "Not rejected" is therefore no evidence of agreement. In the **pairs not rejected**, as in the authors' notebook, a pair with
#   undefined p counts as rejected: identical masks then score worst.
# - **Fleiss' kappa** and **Krippendorff's alpha** compare identities: 1 is full agreement, 0 what raters with one common rate of
#   keeping would reach, below 0 less than that. They are almost the same number here; alpha corrects for few components. Both count
#   agreement on what is *removed* as much as on what is kept, take unequal sizes for disagreement (*nested*), and, when nearly all
#   components are kept, can be low although masks differ in few components. They come without a test.
# - **The Jaccard index** looks at kept components only and is easy to read, but has no fixed zero: its chance level grows with the
#   sizes. It must be read next to that level.
# - **The permutation test** asks whether the index is higher than for masks of the same sizes placed at random. Sizes are given, so they
#   are no evidence in either direction. A small p says that seeds agree more than by chance, not that they agree well. With few
#   components or seeds it cannot become small at all, and components are taken as exchangeable: a common taste for certain layers is
#   agreement too.
#
# All of these are undefined where nothing can vary: with one seed, or when every component, or none, is kept.
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
