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
# # What the authors' release says
#
# The authors published more than most: their code, all masks of s-pruning for five seeds and nine tasks, and the scores of
# every condition {cite}`prasanna2020code`. That is what makes this chapter possible. It first draws the paper's figures
# {cite}`prasanna2020` again from those files, and then goes through the places where figures, text, code and data do not agree: what
# was found, how to check it, and what it changes.
#
# Everything here was recomputed from the raw files. The numbers come with this package as small tables, so this page
# needs no clone. To make them yourself:
#
# ```
# git clone https://github.com/sai-prasanna/bert-experiments
# lottery import-authors bert-experiments --out tables
# ```
#
# Published numbers are hollow or grey in this book, so that they are not mistaken for our own runs. There are no scores of single
# seeds in the release, only means and deviations.

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no
release_dir = None  # a clone of the authors' repository: recompute its tables instead of reading the package's

# %% tags=["remove-stderr"]
from lottery_book import agreement, authors, published
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = {
    "stages": ["search"],
    "methods": ["structured"],
    "overrides": [{"importance": "exact"}, {"importance": "released"}],
    "demo_tasks": ["mrpc"],
}
study = open_study(preset, tasks, seeds, overrides, results_dir)
exact, released = compute(study, NEEDS, compute_missing)

# %% tags=["hide-input"]
raw = authors.restate.restated(release_dir) if release_dir else None
results, sizes = published.results(raw), published.subnetwork_sizes(raw)
across, shared = published.survival_across_tasks(raw), published.task_overlap(raw)
of_seeds, masks = published.seed_agreement(raw), published.masks_of_seeds(raw)
levels, log = published.magnitude_levels(raw), published.footprint(raw)
bars, steps, slices = (
    authors.findings.plotted_bars(results),
    authors.findings.step_errors(levels),
    authors.findings.slice_errors(),
)
kept, printed = authors.findings.kept_shares(results), authors.findings.sizes_printed(sizes)
sameness, different = authors.findings.sizes_and_sameness(of_seeds, masks), authors.findings.different_masks(masks)
importances = [show.frames.component_importance(study) for study in (exact, released)]
survivals = [show.frames.component_survival(study, "structured") for study in (exact, released)]
left = {
    "structured": sizes[sizes["family"] == "heads_mlps"].rename(columns={"share_prunable_mean": "share"}),
    "super": sizes[sizes["family"] == "heads_mlps_super"].rename(columns={"share_prunable_mean": "share"}),
    "magnitude": levels,
}
titles = {name: authors.text.size_titles(rows) for name, rows in left.items()}
show.glue_numbers(
    {
        "authors_across": authors.text.across_sentence(across),
        "authors_overlap": authors.text.overlap_sentence(shared),
        "authors_heads": authors.text.jaccard_sentence(of_seeds, "head"),
        "authors_mlps": authors.text.jaccard_sentence(of_seeds, "mlp"),
        "authors_bars": authors.text.plotted_sentence(bars),
        "authors_steps": authors.text.step_sentence(steps, levels),
        "authors_importance": authors.text.importance_sentence(
            authors.findings.compare_importances(*importances), agreement.overlap.jaccard_between(*survivals)
        ),
        "run_on_authors": show.sentences.run_on(released),
        "authors_slices": authors.text.slice_sentence(slices),
        "authors_selection": authors.text.selection_sentence(kept),
        "authors_sizes": authors.text.size_sentence(printed),
        "authors_cochran": authors.text.cochran_sentence(sameness),
        "authors_super": authors.text.super_sentence(different),
        "authors_footprint": authors.text.footprint_sentence(log),
    }
)

# %% [markdown]
# ## The figures, drawn again
#
# ### Survival across tasks
#
# {glue:text}`authors_across`

# %% mystnb={"figure": {"caption": "The authors' masks: in how many of nine GLUE tasks each head and MLP survives, mean \u00b1 sample deviation over five seeds. (The paper's figure 2.)", "name": "fig-authors-across"}, "image": {"alt": "Map of twelve by twelve heads and twelve MLPs with the number of tasks in which each survives"}}
authors.figures.across_tasks(across)

# %% mystnb={"figure": {"caption": "The same for heads pruned alone, MLPs pruned alone, both together, and both with importance and scores on a part of the training data, which is in the release but not in the paper. Light grey: not pruned in this mode. (The paper's appendix on pruning modes.)", "name": "fig-authors-modes"}, "image": {"alt": "Four maps of the number of tasks in which heads and MLPs survive, one for each pruning mode"}}
authors.figures.pruning_modes(across)

# %% [markdown]
# ### Scores
#
# With the right file for every bar; see [below](authors-bars). The titles say how many of the *prunable* weights are left, which is not
# what the paper's titles say; see [below](authors-sizes).

# %% mystnb={"figure": {"caption": "The authors' results for s-pruning: dev scores, means over five seeds; lines are sample deviations, the dashed line is the majority score. In the titles, the share of prunable weights left. (The paper's figure 3, s-pruning.)", "name": "fig-authors-bars-s"}, "image": {"alt": "Hollow bars of majority, full model and good, random and bad subnetworks of s-pruning, a panel for each task"}}
authors.figures.result_bars(results, "structured", ("good", "random", "bad"), titles["structured"])

# %% mystnb={"figure": {"caption": "The authors' results for m-pruning, in the same way. (The paper's figure 3, m-pruning.)", "name": "fig-authors-bars-m"}, "image": {"alt": "Hollow bars of majority, full model and good, random and bad subnetworks of m-pruning, a panel for each task"}}
authors.figures.result_bars(results, "magnitude", ("good", "random", "bad"), titles["magnitude"])

# %% mystnb={"figure": {"caption": "The authors' super-survivors, components that survive in all five seeds, with their random and bad counterparts. (The paper's figure of super-survivors.)", "name": "fig-authors-bars-super"}, "image": {"alt": "Hollow bars of majority, full model and the three super subnetworks, a panel for each task"}}
authors.figures.result_bars(results, "structured", ("super", "super_random", "super_bad"), titles["super"])

# %% [markdown]
# ### Overlap between tasks
#
# The paper shows how many components two tasks share. Masks that keep most of the model share much by chance, so the figure
# has the chance level too. {glue:text}`authors_overlap`

# %% mystnb={"figure": {"caption": "The authors' masks: heads that survive in both of two tasks, mean \u00b1 sample deviation over seeds, above the diagonal; by chance below it; on it how many a task keeps. The shade is the difference from chance. (The paper's figure of overlaps, heads.)", "name": "fig-authors-overlap-heads"}, "image": {"alt": "Matrix of the number of heads that two tasks share, with the chance level"}}
authors.figures.overlap_matrix(shared, "heads_mlps", "head")

# %% mystnb={"figure": {"caption": "The same for MLPs. (The paper's figure of overlaps, MLPs.)", "name": "fig-authors-overlap-mlps"}, "image": {"alt": "Matrix of the number of MLPs that two tasks share, with the chance level"}}
authors.figures.overlap_matrix(shared, "heads_mlps", "mlp")

# %% [markdown]
# ### Agreement between seeds
#
# How alike are the masks of five seeds? The release has Cochran's Q, Fleiss' kappa and Krippendorff's alpha, which come out as
# published. Added here: the mean Jaccard index of two seeds, its value by chance for masks of these sizes, and a permutation test.
#
# {glue:text}`authors_heads` {glue:text}`authors_mlps`
#
# So the heads' masks are unstable, as the paper says, and still more alike than chance; for MLPs, five seeds rarely show more than
# chance.

# %% mystnb={"figure": {"caption": "The authors' masks: mean Jaccard index of two seeds (diamonds), by chance (dashes), and the p of the permutation test. WNLI is a gap: nearly everything was pruned.", "name": "fig-authors-jaccard"}, "image": {"alt": "Mean Jaccard index between seeds beside its chance level for each task, heads above and MLPs below"}}
authors.figures.seed_jaccards(of_seeds)

# %% tags=["hide-output"]
authors.text.statistics_table(of_seeds)

# %% [markdown]
# ## On a second look
#
# (authors-bars)=
# ### One bar of the s-pruning figure shows another one's data
#
# **Found.** The bar *random subnetwork (retrained)* is drawn from `head_mlp_retrained/`, the results of the *good* ones. The right file,
# `head_mlp_random_retrained/`, is in the release, and the results table uses it. {glue:text}`authors_bars`
#
# **Check.** In `experiment_analysis/eval_performance_analysis.ipynb` of the repository both labels name the same path. In `tables/results.csv` compare settings `head_mlp_retrained` and `head_mlp_random_retrained`.
#
# **Changes.** Retrained random s-subnetworks are not as good as good ones on every task; on most tasks they are somewhat below. The paper's
# title does not hang on it: bad subnetworks, retrained, still recover much of the score.

# %% mystnb={"figure": {"caption": "Random subnetworks of s-pruning, retrained: as plotted (crosses, equal to the good ones') and as released (circles). Numbers are the difference in points.", "name": "fig-authors-plotted"}, "image": {"alt": "For each task the score as plotted and the released score of retrained random subnetworks"}}
authors.findings_figures.bars_as_plotted(bars)

# %% [markdown]
# ### Magnitude pruning took steps of five per cent, not ten
#
# **Found.** All committed versions of the script remove ten per cent in each of at most ten steps. The shares that the notebook stored
# for the released results do not come from that. {glue:text}`authors_steps`
#
# **Check.** The shares are printed in `magnitude_injector_goes_brrrr.ipynb`; the figure tries each step size on all nine of
# them. The number of steps of each seed is inferred, from these means and from the ratios of mean weights in the same notebook.
#
# **Changes.** To repeat the published m-pruning, use steps of five per cent and a cap of thirty: `magnitude_step` and
# `magnitude_max_steps`. Finer steps end nearer to the threshold, so with coarser ones the sizes would differ somewhat; scores at
# those sizes were not published.

# %% mystnb={"figure": {"caption": "For each step size, how near the stored mean share of each task comes to a mean over five seeds of whole numbers of steps. Grey: as near as stored digits allow.", "name": "fig-authors-steps"}, "image": {"alt": "Distance between stored shares and the nearest possible ones against step size, with one clear minimum at five per cent"}}
authors.findings_figures.step_fit(steps)

# %% [markdown]
# ### Importance adds up gradients that were never set to zero
#
# **Found.** The paper prints the expected absolute gradient of the loss of one example. The code takes batches, and the gates' gradient is not
# zeroed between them, so batch $B$ adds $|g_1 + \dots + g_B|$; see {ref}`the protocol <importance>`. The result depends on the order of the data.
#
# We have both as protocols, so the difference can be measured on our own run ({glue:text}`run_on_authors`).
# {glue:text}`authors_importance`
#
# **Check.** `src/find_head_mlp_masks.py` in the repository has one `backward` a batch and no zeroing of the mask's gradient. Here:
# `lottery run --set importance=released`.
#
# **Changes.** Which heads survive. The released masks are good subnetworks all the same: they pass the threshold. But they are not those of the
# printed formula, and part of what differs between seeds may come from this.

# %% mystnb={"figure": {"caption": "Heads of one task's full model, ranked by importance: formula as printed (across) and as the released code computes it (up). Shaded: what the first step removes. This run, not the authors'.", "name": "fig-authors-importance"}, "image": {"alt": "Rank of each head under the two protocols, one panel for each seed"}}
authors.findings_figures.importance_scatter(*importances, exact.preset.tasks[0])

# %% [markdown]
# ### Weight-normed attention slices the output projection the wrong way
#
# **Found.** To weigh attention as {cite:t}`kobayashi2020`, each head needs its own part of the projection $W_O$. Stored as
# (output, input), head $h$ owns *columns*; the code reshapes it so that each head gets *rows*. The parts of a layer must sum to its
# output, which is a test: {glue:text}`authors_slices`
#
# **Check.** `notebooks/11_authors.ipynb` computes it here, from real weights and random head outputs; in the repository, look in
# `src/` for the reshape of `dense.weight`.
#
# **Changes.** The weight-normed attention maps, and the shares of patterns and the correlation drawn from them. Raw maps are not touched.

# %% mystnb={"figure": {"caption": "The output projections of the embedded micro-BERT, cut into heads in two ways. Left: distance between the sum of the parts and the layer's output, as a share of its length. Right: correlation of the parts' norms with the correct ones.", "name": "fig-authors-slices"}, "image": {"alt": "Error of column and row slices in each layer, and the correlation of their norms"}}
authors.findings_figures.slice_bars(slices)

# %% [markdown]
# ### Masks are chosen and scored on one dev set
#
# **Found.** The search keeps the last mask above the threshold on the dev set, and the result is reported on the same dev set.
# {glue:text}`authors_selection`
#
# **Check.** `tables/results.csv`, setting `head_mlp` against `no_mask`.
#
# **Changes.** That good subnetworks keep nine tenths of the score is how they were made, not a finding, and the small deviation
# is the stop rule's. Comparisons with random and bad subnetworks are not blind either, but the distances there are far larger. GLUE's test labels
# are not public; a part of the training data would do for the choice, and the release has masks found that way (`heads_mlps_on_train`).

# %% mystnb={"figure": {"caption": "Scores as shares of the full model's, one dot a task. Good, pruned lies on the threshold by construction. WNLI, where the full model is below the majority score, is left out.", "name": "fig-authors-kept"}, "image": {"alt": "Share of the full model's score kept by good, random and bad subnetworks, pruned and retrained, for both methods"}}
authors.findings_figures.kept_dots(kept)

# %% [markdown]
# (authors-sizes)=
# ### Sizes in the figures' titles
#
# **Found.** The titles print parameters left over all parameters, minus `0.21` for the embeddings, whose share is a little larger; the
# denominator still contains them. {glue:text}`authors_sizes`
#
# **Check.** `tables/subnetwork_sizes.csv`, column `share_all_mean` minus `0.21`, against the titles.
#
# **Changes.** Read as shares of what could be pruned, the titles are too small: more of the model is left than they say.

# %% mystnb={"figure": {"caption": "How much the authors' good subnetworks of s-pruning keep, counted in three ways; means over five seeds.", "name": "fig-authors-sizes"}, "image": {"alt": "Three shares for each task: of all weights, of prunable weights, and as printed"}}
authors.findings_figures.size_dots(printed)

# %% [markdown]
# ### Cochran's Q is not a test of agreement
#
# **Found.** With components as blocks and seeds as treatments, Q asks whether seeds keep the same *number* of components. Two
# masks of one size without a common component pass (the chapter on agreement has examples). {glue:text}`authors_cochran`
#
# **Check.** `tables/seed_agreement.csv`.
#
# **Changes.** "Not rejected" must not be read as "similar masks". In the figure the share of pairs that pass falls with the spread of
# sizes; masks no more alike than chance pass, and masks well above chance fail. Kappa, alpha and Jaccard answer the question that was asked.

# %% mystnb={"figure": {"caption": "The authors' masks: share of pairs of seeds that Cochran's Q does not reject, against how much the sizes of the masks differ (left) and how much more alike they are than chance (right). One mark a task, without WNLI.", "name": "fig-authors-cochran"}, "image": {"alt": "Two scatter plots of the share of pairs not rejected, against spread of sizes and against Jaccard index above chance"}}
authors.findings_figures.cochran_scatter(sameness)

# %% [markdown]
# ### The bad counterpart of the super-survivors is one mask
#
# **Found.** Super-survivors are one mask a task by definition. Their bad counterpart was drawn once and used for all
# seeds. {glue:text}`authors_super` The random counterpart leaves out both others, so it is no random part of the model.
#
# **Check.** `tables/survival_by_task.csv`, family `heads_mlps_super_bizzaro`: every deviation is zero.
#
# **Changes.** The error bars of *super bad* show training noise only. That one draw was lucky or unlucky cannot be seen.

# %%
authors.text.different_table(different)

# %% [markdown]
# ## What it cost
#
# {glue:text}`authors_footprint` The logs do not say when a run began (that is in a pickle, which is not opened), nor what fine-tuning
# and retraining took, whose logs were not released.
#
# ## Where the numbers come from

# %% tags=["hide-output"]
authors.text.sources_table(published.SOURCE)
