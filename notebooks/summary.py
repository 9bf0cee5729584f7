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
# # One page to cite
#
# :::{admonition} Do the claims of *When BERT Plays the Lottery, All Tickets Are Winning* hold?
# :class: answer
#
# By the published numbers, retrained bad subnetworks of {term}`s-pruning` keep much of what fine-tuning gains. Whether they nearly reach the
# full score, eight tasks cannot tell. No published claim of the paper is refuted, and about a third of them is decided.
#
# Claims supported, of those tested: <span class="evidence"><span class="source published">published</span> {glue:text}`summary_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`summary_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`summary_run`</span>
# :::

# %% tags=["parameters", "hide-cell"] mystnb={"code_prompt_show": "Run this page: parameters", "code_prompt_hide": "Run this page: parameters"}
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"
compute_missing = True  # False: compute nothing and show gaps

# %% tags=["hide-cell", "remove-stderr"] mystnb={"code_prompt_show": "Run this page: what it reads", "code_prompt_hide": "Run this page: what it reads"}
from lottery_book import scorecard, sources
from lottery_utils import __version__, compute, open_study, show

page = scorecard.page
NEEDS = {"stages": ["finetune", "score", "retrain"]}
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
verdicts = scorecard.judge.Verdicts(sources.three_sources(study))
printed = verdicts.of("published")
words = [verdict.word for verdict in printed.values() if verdict.tested]
show.holds("bad ones, retrained, keep much of the gain", printed["s_bad_over_majority"].effect.low, above=0.3)
show.holds("whether they nearly reach the full score is open", printed["s_nearly"].word == "cannot tell", above=0)
show.holds("no published claim is refuted", words.count("against"), below=1)
show.holds("about a third is decided", words.count("supported") / len(words), 0.3, 0.4)
show.glue_numbers(
    {
        "summary_published": page.tally(verdicts, "published"),
        "summary_real": page.tally(verdicts, "real study"),
        "summary_run": page.tally(verdicts, "this run"),
        "summary_run_on": show.sentences.run_on(study),
        "version": __version__,
    }
)

# %% [markdown]
# ## Claims and verdicts

# %% tags=["remove-input"]
page.chip_table(verdicts)

# %% [markdown]
# ✓ supported, ✕ against, ? cannot tell, = by construction. The number is the mean, in points of {term}`lead kept`, or with
# two decimals an agreement, an overlap above chance or a correlation; in brackets, on how many tasks it rests where these are not the
# source's number. The verdicts are those of the
# [scorecard](scorecard.ipynb), which has the interval and the rule of each. *Published* is BERT-base on GLUE, from the authors' release {cite}`prasanna2020code`; the *real
# study* is MPNet-base on GLUE, with records in the repository. *This run* is {glue:text}`summary_run_on`. On the demo that is a made-up
# language, not GLUE.
#
# ## What differs from the authors' release
#
# - **Importance**: the printed formula takes absolute gradients example by example. The released script sums them over batches that it
#   does not set back to zero. Here the formula is the default, the script's sum a switch ([](17_importance_bug.ipynb)).
# - **Heads' weights**: the heads' share of the output map is cut along its columns, not its rows.
# - **Random bars**: the paper's picture of retrained random subnetworks repeats the good ones; the released scores are used here.
# - **Averages**: scores become the {term}`lead kept` before tasks are averaged, and all rows of a table are over the same tasks.
# - **Agreement of seeds**: Cochran's Q tests sizes, not which heads; Jaccard against chance is used beside it.
#
# [](11_authors.ipynb) shows each of these, and [](../protocol.md) lists the rest.
#
# ## Versions
#
# Companion {glue:text}`version`; the exact versions of all packages are in `requirements.lock`, and every record names its
# own. Text and figures are under CC BY 4.0, the code under MIT; [](../terms.md) says what is whose.
#
# ## How to cite
#
# Cite the paper for its claims, and this companion, with its version, for what was measured here:
#
# ```bibtex
# @inproceedings{prasanna2020,
#   author    = {Prasanna, Sai and Rogers, Anna and Rumshisky, Anna},
#   title     = {When {BERT} Plays the Lottery, All Tickets Are Winning},
#   booktitle = {Proceedings of EMNLP 2020},
#   pages     = {3208--3229},
#   year      = {2020},
#   doi       = {10.18653/v1/2020.emnlp-main.259}
# }
#
# @software{lottery_companion,
#   author = {{The lottery companion authors}},
#   title  = {All tickets, played again: a reproducible companion to
#             `When {BERT} Plays the Lottery, All Tickets Are Winning'},
#   year   = {2026},
#   note   = {version as above}
# }
# ```
#
# `CITATION.cff` in the repository holds the same. `make pdf` prints this page to `out/summary.pdf` with Chromium; any browser's print command
# does too.
