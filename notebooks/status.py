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
# # What ran where
#
# Each number of this book comes from a {term}`record`, and each record says what computed it: device, versions, commit, time. This
# page adds them up, for the results of this run and for those that came with the repository. It computes nothing.
#
# Cells stored: {glue:text}`stored`, by preset {glue:text}`presets`. They were computed on {glue:text}`devices`; days: {glue:text}`days`.
# Of an earlier version of the rules are {glue:text}`earlier`: shown as they were stored, though today's code would not make them again.

# %% tags=["parameters", "hide-cell"] mystnb={"code_prompt_show": "Run this page: parameters", "code_prompt_hide": "Run this page: parameters"}
preset = "demo"
tasks = None
seeds = None
overrides = None
results_dir = "results"

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Run this page: what it reads", "code_prompt_hide": "Run this page: what it reads"}
from lottery_book import status
from lottery_utils import show

rows = status.stored(status.stores(results_dir))
show.glue_numbers(status.status_numbers(rows))

# %% [markdown]
# ## The chapters
#
# What is not stored is shown as a {term}`gap` in its chapter. Chapters about stored records need no cell of this run.

# %% tags=["remove-input"]
chosen = {"preset": preset, "tasks": tasks, "seeds": seeds, "overrides": overrides}
chosen["results_dir"] = results_dir
status.chapter_status(chosen)

# %% [markdown]
# (status-stages)=
# ## The stages
#
# Energy and CO2 are estimates; cells that are not counted as measured were computed without the tool, or on a machine that it
# cannot read.

# %% tags=["remove-input"]
status.stage_status(rows)

# %% [markdown]
# ## Devices and versions

# %% tags=["remove-input"]
status.place_status(rows)
