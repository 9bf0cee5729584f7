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
# # What makes a component go?
#
# {term}`S-pruning <s-pruning>` removes what has the least {term}`importance`. This chapter looks at the importances themselves:
# how they are distributed, where the first step cuts, how they change while parts of the model disappear, and whether it matters
# that heads and MLPs are pruned together.
#
# **What the paper shows.** A histogram of head importance with the pruning cut, and, in its appendix, which heads and MLPs survive
# when only heads, only MLPs, or both are pruned {cite}`prasanna2020`.
#
# **What this chapter was run on.** {glue:text}`run_on_importance`. Importances are those of the protocol
# {glue:text}`importance_protocol`; see [](../protocol.md).

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import agreement, importance
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = {
    "stages": ["search"],
    "methods": ["structured"],
    "overrides": [{}, {"search": "joint"}, {"search": "heads"}, {"search": "mlps"}],
}
study = open_study(preset, tasks, seeds, overrides, results_dir)
studies = dict(zip(("own", "joint", "heads", "mlps"), compute(study, NEEDS, compute_missing), strict=True))

# %% tags=["hide-input"]
decided = importance.decisions.decisions(study)
missing = show.frames.gaps(study, "structured").titles
drift = importance.decisions.drift(decided)
together, apart = show.frames.component_survival(studies["joint"], "structured"), importance.modes.alone(studies)
between = agreement.overlap.jaccard_between(apart, together)
shared_apart = agreement.overlap.task_overlap(apart)
show.glue_numbers(
    {
        "run_on_importance": show.sentences.run_on(study),
        "importance_protocol": study.preset.importance,
        "gaps_importance": show.sentences.gap_sentence(study, "structured"),
        "cut": agreement.stability.cut_sentence(importance.decisions.first_cut(decided, "head")),
        "order": agreement.stability.order_sentence(
            importance.decisions.one_look(decided), importance.decisions.seeds_correlation(decided)
        ),
        "mode_sizes": importance.modes.sizes_sentence(together, apart),
        "mode_likeness": importance.modes.likeness_sentence(between),
        "gaps_heads": show.sentences.gap_sentence(studies["heads"], "structured"),
        "gaps_mlps": show.sentences.gap_sentence(studies["mlps"], "structured"),
        "overlap_heads_alone": agreement.stability.overlap_sentence(
            shared_apart, agreement.overlap.overlap_test(apart, "head"), "head"
        ),
        "overlap_mlps_alone": agreement.stability.overlap_sentence(
            shared_apart, agreement.overlap.overlap_test(apart, "mlp"), "mlp"
        ),
    }
)

# %% [markdown]
# ## Where the first step cuts
#
# Is there a gap between the heads that go and those that stay? Colours show what became of each head later. {glue:text}`gaps_importance`

# %% mystnb={"figure": {"caption": "Importance of the heads in the full model, normalised within each layer; the seeds of a task together. Dashed: where the first step of each seed's search cuts. (The paper's histogram of head importance.)", "name": "fig-importance-cut"}, "image": {"alt": "Histograms of head importance, a panel for each task, coloured by what became of the heads, with the first cut near the left end"}}
importance.figures.head_histograms(decided, missing)

# %% mystnb={"figure": {"caption": "Importance of the MLPs when the first of them goes, as a share of the largest; a line of dots a seed, with its cut. MLPs are compared over all layers without normalisation.", "name": "fig-importance-mlps"}, "image": {"alt": "Importance of each MLP as dots, a row for each seed and a panel for each task, with the first cut"}}
importance.figures.mlp_strips(decided, missing)

# %% [markdown]
# **What to see.** {glue:text}`cut` Where many heads lie just right of the line, the cut does not part the useful from the
# useless: a little noise in the importances would choose others. A head left of the line in one seed and well right of it in another
# is one that the fine-tuning, not the task, made dispensable.
#
# ## How it changes over the search
#
# After each step the search measures again. One search, from top to bottom:

# %% mystnb={"figure": {"caption": "One search, step by step: each dot is a head (left) or an MLP (right) that the step could remove, placed by its importance under the mask the step starts from. Tinted steps fell below the target and were taken back. A layer's heads have the L2 norm 1 among those still there, so values rise as heads go.", "name": "fig-importance-steps"}, "image": {"alt": "Rows of dots, one for each search step, heads left and MLPs right, with the removed ones at the left end of each row"}}
importance.figures.search_steps(decided, show.frames.example_task(decided))

# %% mystnb={"figure": {"caption": "How much of the first order is left: Spearman's rank correlation between the heads' importance at a step and in the full model, over the heads that the step starts from.", "name": "fig-importance-drift"}, "image": {"alt": "Rank correlation with the full model's importances against the search step, a panel for each task and a line for each seed"}}
importance.figures.drift_lines(drift)

# %% [markdown]
# **What to see.** {glue:text}`order` If one look at the full model were enough, the lines of {numref}`fig-importance-drift` would stay
# at the top. Where they fall, what a head is worth depends on which other heads are still there.
#
# ## Heads alone, MLPs alone, both together
#
# The same fine-tuned models, searched three times: heads only (every MLP stays), MLPs only (every head stays), and both, as in the
# rest of this book. Heads only: {glue:text}`gaps_heads` MLPs only: {glue:text}`gaps_mlps`

# %% mystnb={"figure": {"caption": "In how many tasks a head or MLP survives when heads are pruned alone (left) and MLPs are pruned alone (right): mean over seeds, and sample standard deviation. (The paper's appendix, pruning modes.)", "name": "fig-modes-alone"}, "image": {"alt": "Map of the number of tasks in which each head survives when only heads are pruned, and each MLP when only MLPs are pruned"}}
show.heatmaps.survival_across_tasks(apart, "Across tasks, heads and MLPs pruned alone")

# %% mystnb={"figure": {"caption": "The same when heads and MLPs are pruned together. (The paper's appendix, pruning modes.)", "name": "fig-modes-together"}, "image": {"alt": "Map of the number of tasks in which each head and MLP survives when both are pruned together"}}
show.heatmaps.survival_across_tasks(together, "Across tasks, heads and MLPs pruned together")

# %% mystnb={"figure": {"caption": "Are they the same components? Jaccard index of the masks found alone and together, for the same task and seed; mean and sample standard deviation over seeds, and what two random masks of these sizes would have.", "name": "fig-modes-jaccard"}, "image": {"alt": "Jaccard index between pruning alone and together, for heads and MLPs, a place for each task, with the chance level"}}
agreement.overlap_figures.mode_jaccards(between)

# %% [markdown]
# **What to see.** {glue:text}`mode_sizes` {glue:text}`mode_likeness`
#
# Do tasks share more of them when each kind is pruned alone? The next chapter asks the same of masks found together.

# %% mystnb={"figure": {"caption": "Heads that two tasks share when only heads are pruned: mean \u00b1 sample standard deviation over seeds; below the diagonal what chance would give. (The paper's appendix, overlaps by pruning mode.)", "name": "fig-overlap-heads-alone"}, "image": {"alt": "Matrix of the number of surviving heads that two tasks share when only heads are pruned, with the chance level"}}
agreement.overlap_figures.overlap_matrix(shared_apart, "head")

# %% mystnb={"figure": {"caption": "MLPs that two tasks share when only MLPs are pruned: mean \u00b1 sample standard deviation over seeds; below the diagonal what chance would give. (The paper's appendix, overlaps by pruning mode.)", "name": "fig-overlap-mlps-alone"}, "image": {"alt": "Matrix of the number of surviving MLPs that two tasks share when only MLPs are pruned, with the chance level"}}
agreement.overlap_figures.overlap_matrix(shared_apart, "mlp")

# %% [markdown]
# **What to see.** {glue:text}`overlap_heads_alone` {glue:text}`overlap_mlps_alone`
#
# ## What this was run on

# %%
show.tables.provenance_table(study)
