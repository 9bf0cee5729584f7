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
# # Do the paper's claims hold?
#
# :::{admonition} How many of the paper's claims hold, and on what evidence?
# :class: answer
#
# Of the paper's title, the weak reading holds in the authors' own numbers: bad subnetworks of s-pruning, retrained, beat a constant
# answer. The strong one, that they reach *nearly the full score*, is open: they keep {glue:text}`kept_bad` of the lead. No published
# claim is refuted. Of the claims that eight tasks can test, they decide about a third.
#
# Claims supported of those tested: <span class="evidence"><span class="source published">published</span> {glue:text}`tally_published`</span>
# <span class="evidence"><span class="source real-study">real study</span> {glue:text}`tally_real`</span>
# <span class="evidence"><span class="source this-run">this run</span> {glue:text}`tally_run`</span>
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

from lottery_book import scorecard, sources
from lottery_utils import compute, open_study, show

page = scorecard.page
NEEDS = {"stages": ["finetune", "score", "retrain"]}
show.apply_style()
study = open_study(preset, tasks, seeds, overrides, results_dir)
compute(study, NEEDS, compute_missing)
published, real, run = three = sources.three_sources(study)
verdicts = scorecard.judge.Verdicts(three)
printed = verdicts.of("published")
words = [verdict.word for verdict in printed.values() if verdict.tested]
page.glue_cited(verdicts)  # the rows that other chapters show
show.holds("bad ones, retrained, beat a constant answer", printed["s_bad_over_majority"].word == "supported", above=0)
show.holds("whether they nearly reach the full score is open", printed["s_nearly"].word == "cannot tell", above=0)
show.holds("no published claim is refuted", words.count("against"), below=1)
show.holds("about a third is decided", words.count("supported") / len(words), 0.3, 0.4)
show.holds("all tasks agree that random ones are worse", printed["s_random"].effect.wins, above=7)
show.holds("and it is open all the same", printed["s_random"].word == "cannot tell", above=0)
show.holds("MRPC is three times the mean", printed["s_random"].effect.by_task["mrpc"] / printed["s_random"].effect.mean, above=3)
show.glue_numbers(
    {
        "kept_bad": show.as_percent(printed["s_bad_over_majority"].effect.mean),
        "tally_published": page.tally(verdicts, "published"),
        "tally_real": page.tally(verdicts, "real study"),
        "tally_run": page.tally(verdicts, "this run"),
        "random_published": printed["s_random"].number,
        "mrpc_published": f"{100 * printed['s_random'].effect.by_task['mrpc']:.0f}",
        "bad_published": verdicts.chip("s_bad_over_majority", "published"),
        "bad_real": verdicts.chip("s_bad_over_majority", "real study"),
        "bad_run": verdicts.chip("s_bad_over_majority", "this run"),
        "real_rests_on": real.rests_on,
        "p_level": round(1 - show.stats.LEVEL, 4),
        "false_chance": show.as_percent(1 - show.stats.LEVEL),
        "provenance_run": show.sentences.run_on(study),
    }
)

# %% tags=["remove-input"]
page.chip_table(verdicts)

# %% [markdown]
# ✓ supported, ✕ against, ? cannot tell, = by construction. A chip leads to the figure that shows the claim; interval, p and tasks
# appear where the pointer rests. Beside it stands the mean, in points of {term}`lead kept` or, for the last three of *What survives*, as
# a plain number; in brackets, on how many tasks it rests where these are not the source's number. (Nine tenths of the *score* are fewer points of the *lead*, see below.) An interval is that of one claim alone, and the verdict's p is corrected for all claims: so an interval may leave out 0
# and the verdict be open. s is {term}`s-pruning`, m {term}`m-pruning`.
#
# ## What to see
#
# **The title's claim.** Published: {glue:text}`bad_published`. Real study: {glue:text}`bad_real`. This run: {glue:text}`bad_run`.
#
# **What cannot be told.** Merely pruned, the published random subnetworks of s-pruning do worse than the good ones on each of eight tasks,
# {glue:text}`random_published`. Yet the verdict is open. On MRPC, where the full model's own lead is short, the difference is
# {glue:text}`mrpc_published` points, and a t-test must reckon with more tasks like it. *Cannot tell* is not *wrong*.
#
# **What holds by construction.** A search for good subnetworks stops while nine tenths of the score still stand. That they stand is no finding.
#
# **What the paper did not ask.** Random subnetworks with the good one's number of parts in each layer separate *how many* from *which*.
# No published number can judge that; the real study is made to.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The claims in numbers: mean over tasks and 95 % interval of what judges each, beside the region (shaded) that supports it. An arrow is an interval that goes on.", "name": "fig-scorecard"}, "image": {"alt": "Forest plot of the claims, a column each for published numbers, real study and this run"}}
page.forest(verdicts)

# %% [markdown]
# ## How it is judged
#
# A claim becomes one number a task: the lead kept by one condition, or by one less another, over the seeds that have both. Seeds of a
# task are averaged; tasks are the sample. Their mean is set against the *region* that would support the claim, above 0 for "better".
#
# "As well as" needs a margin. Here it is 10 points of lead, for all tasks. Where a constant answer has half of the full score, these are 5
# points of the score, which one would call the same. There the nine tenths of the score that the paper asks of good subnetworks are four
# fifths of the lead, which is how "nearly the full score" is read.
#
# Either direction may come out, so the smaller p is doubled. All claims that a source can test are corrected together by Holm's method:
# the chance of a single false verdict among them is at most {glue:text}`false_chance`. *Supported* and *against* ask for a corrected p
# of at most {glue:text}`p_level`. Here is the title's claim by hand:

# %%
condition = ["method", "subnetwork", "treatment", "task"]
kept = published.leads.set_index(condition)["lead"].sort_index()
kept = kept["structured", "bad", "retrained"]  # of each task
t, free = kept.mean() / kept.sem(), len(kept) - 1

x = np.linspace(-200, 200, 4_000_001)  # Student's density, up to a factor
density = (1 + x**2 / free) ** (-(free + 1) / 2)
p = 2 * density[x > t].sum() / density.sum()  # doubled: the opposite could have come out

of_all = np.sort([verdict.effect.p for verdict in printed.values() if verdict.tested])
# Holm: times 17 for the least p, then 16, ...
stepped = np.maximum.accumulate(of_all * np.arange(len(of_all), 0, -1))
holm = stepped[np.abs(of_all - p).argmin()]

judged = printed["s_bad_over_majority"]
assert abs(p - judged.effect.p) < 1e-5 and abs(holm - judged.effect.corrected) < 1e-12
print(f"{100 * kept.mean():.0f} points, p = {p:.5f}, corrected {holm:.4f}: {judged.word}")

# %% [markdown]
# From the package here: [`show.stats.effect` and `show.stats.corrected`](../api/show.md) in {source}`lottery_utils/show/stats.py`. Whether tasks share heads is a matter of pairs
# of tasks, which have tasks in common, so a permutation test judges it. With fewer than three tasks nothing is tested. A verdict is made
# here and nowhere else: other chapters cite it.
#
# ## In numbers

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Every claim: mean, interval, p", "code_prompt_hide": "Every claim: mean, interval, p"}
page.number_table(verdicts)

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Every claim: what it is judged by", "code_prompt_hide": "Every claim: what it is judged by"}
page.remark_table()

# %% [markdown]
# ## What this does not show
#
# - Eight tasks see large effects only, and GLUE's tasks are no random sample of tasks.
# - Scores were selected on the dev sets that they are reported on, in the paper and here, which favours good subnetworks
#   ({doc}`18_selection`).
# - Lead kept is a share of what the full model gains. On tasks with a short lead, MRPC and RTE, it swings, and with it the means.
# - The real study has {glue:text}`real_rests_on` so far: what is *supported* there holds for that, and other seeds may differ.
# - The published scores are means over seeds. What varies between seeds of a task is in no interval here.
# - The demo's language and its model are small. A claim that fails there may hold for BERT, and the other way round.
# - MiniLM, a smaller model run on three tasks of GLUE, had a column here once. Three tasks support no claim after
#   correction, so it stands in [](study.ipynb) only.
#
# ## Try it
#
# | command | [two cores](../tried.md) | what to expect |
# |---|---|---|
# | `papermill notebooks/scorecard.ipynb out.ipynb` | 8 s, once the demo is stored | this page: this run supports {glue:text}`tally_run` claims |
# | `papermill notebooks/scorecard.ipynb out.ipynb -p tasks '["rte", "mrpc"]'` | 8 s, once the demo is stored | two tasks: this run cannot tell |
# | `lottery run --preset base --tasks sst2 --seeds 1337 --results results` | 45 to 90 minutes, estimated | the real study's column for one task, which decides nothing |
#
# **Exercise 1.** Seventeen claims lie on the edge: none is true, nor its opposite. How many false verdicts come of testing each alone at
# a p of one in twenty?
#
# :::{dropdown} Answer
# Nearly one: 17 / 20. With Holm's correction, one in twenty such scorecards has any.
# :::
#
# **Exercise 2.** All eight tasks agree on a claim. Would a sign test, corrected for 17 claims, support it?
#
# :::{dropdown} Answer
# No. The least two-sided p of eight signs is 2 / 256, and 17 times that is more than one in eight. Eight tasks decide with a t-test only,
# which assumes a normal distribution that eight numbers can hardly confirm.
# :::
#
# :::{dropdown} Run this chapter
# This run: {glue:text}`provenance_run`. Versions and times: [](status.ipynb).
# :::
