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
# # How bad are bad subnetworks?
#
# The paper's title rests on this: even a {term}`bad subnetwork`, made of what the search pruned, is of use when it is
# {term}`retrained`. Of use compared with what? With models that never saw any pre-training.
#
# **What the paper says** {cite}`prasanna2020`. Its second table sets the better of the two methods' bad subnetworks against the
# majority class, CBoW, BiLSTMs, and a BERT with random weights and random s-pruning; the bad ones are ahead. And bad subnetworks
# do not become good ones when they are fine-tuned for longer (its appendix).
#
# **What is run here.** All of these baselines, on the same data, none quoted:
#
# - *bag of words*: a linear model on word counts (not in the paper);
# - *CBoW* and *BiLSTM*: a sentence is the mean of its word embeddings, or the maximum over the states of a two-way LSTM; a pair
#   is read off $[u, v, |u - v|, u \cdot v]$ {cite}`wang2019glue`. Embeddings are learned from the task's own training data; the paper's have
#   GloVe or ELMo, which know other text;
# - *random init.* and *random init., pruned*: the same network from random weights, whole, and with the heads and MLPs of the random
#   subnetwork of good size.
#
# **What this chapter was run on.** {glue:text}`run_on_versus`. {glue:text}`longer_left_out`

# %% tags=["parameters"]
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # "lottery report" has computed, and says no

# %% tags=["remove-stderr"]
from lottery_book import bad_vs_baselines
from lottery_utils import compute, open_study, show

show.apply_style()
NEEDS = [
    {
        "stages": ["finetune", "retrain", "baseline"],
        "subnetworks": ["bad", "majority", "bag_of_words", "cbow", "bilstm", "random_init", "random_init_pruned"],
    },
    {"stages": ["retrain_longer"], "subnetworks": ["bad"], "demo_tasks": ["cola", "mrpc", "rte"]},
]
study = open_study(preset, tasks, seeds, overrides, results_dir)
chosen = compute(study, NEEDS, compute_missing)[1].preset.tasks

# %% tags=["hide-input"]
names = ["bad", *bad_vs_baselines.frames.BASELINES]
table = study.table(["finetune", "retrain", "retrain_longer", "baseline"], study.preset.methods, names)
results = show.scores.results(table)
usual = results[results["treatment"] != "retrained longer"]
frame, best = bad_vs_baselines.frames.against(usual)
show.glue_numbers(
    {
        "run_on_versus": show.sentences.run_on(study),
        "longer_left_out": bad_vs_baselines.figures.left_out_sentence(study, chosen),
        "bad_leads": bad_vs_baselines.figures.lead_sentence(frame),
        "word_models": bad_vs_baselines.figures.word_model_sentence(frame),
        "times_longer": bad_vs_baselines.figures.times(study.preset.longer),
        "longer_s": bad_vs_baselines.figures.longer_sentence(results, "structured"),
        "longer_m": bad_vs_baselines.figures.longer_sentence(results, "magnitude"),
    }
)

# %% [markdown]
# ## Against baselines

# %% mystnb={"figure": {"caption": "The better of the two methods' bad subnetworks, retrained, beside baselines that had no pre-training, and the full model. Bars are means over seeds, dots are seeds, the dashed line is the majority score. (The paper's table 2.)", "name": "fig-versus"}, "image": {"alt": "Bars of majority, bag of words, CBoW, BiLSTM, random initialisation, the bad subnetwork and the full model, a panel for each task"}}
bad_vs_baselines.figures.versus_bars(frame, best)

# %%
show.tables.results_table(frame, "Dev scores, mean ± sample deviation over seeds.", "versus-results")

# %%
bad_vs_baselines.figures.lead_table(frame)

# %% [markdown]
# **What to see.** {glue:text}`bad_leads` {glue:text}`word_models` Which of the two methods is better was chosen on the same dev scores that
# are shown, here as in the paper, which favours the bad subnetwork a little.

# %%
bad_vs_baselines.figures.published_table()

# %% [markdown]
# The authors released no scores of the other baselines.
#
# ## Longer fine-tuning
#
# Bad subnetworks are trained again for {glue:text}`times_longer` the epochs, the learning rate falling to zero over the longer
# time.

# %% mystnb={"figure": {"caption": "Bad subnetworks retrained as usual (hollow) and for longer (filled), s- and m-pruning, one line a seed; full model (solid) and majority (dashed) for comparison. (The paper's appendix.)", "name": "fig-longer"}, "image": {"alt": "Lines from the usual to the longer-trained score of bad subnetworks, by method, a panel for each task"}}
bad_vs_baselines.figures.longer_lines(results)

# %% [markdown]
# **What to see.** The paper's claim is that longer training does not help. {glue:text}`longer_s` {glue:text}`longer_m`
#
# ## All seeds

# %% tags=["hide-output"]
show.tables.seed_table(results, "Every seed's score.", "versus-seeds")

# %% [markdown]
# ## What this was run on

# %%
show.tables.provenance_table(study)
