# Two commands do everything: `make report` and `make test`. `make help` lists the rest.

PYTHON  ?= $(shell command -v python3.11 || command -v python3)
VENV    ?= .venv
PRESET  ?= demo
SEEDS   ?=
TASKS   ?=
RESULTS ?= results
WORKERS ?=
SET     ?=
OUT     ?= out
# An extra package index for torch, for example https://download.pytorch.org/whl/cpu (a machine without a GPU).
TORCH_INDEX ?=
PYTEST_ARGS ?= -n auto
KILLS   ?= 200
INPUTS  ?= 10000
# Options of `make bench`, such as "--only growth imports" or "--threads 1".
BENCH_ARGS ?=
# A built book to open in the browser; empty: the committed one, built first.
BOOK ?=

BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
STUDY := --preset $(PRESET) --results $(RESULTS) $(if $(TASKS),--tasks $(TASKS)) $(if $(SEEDS),--seeds $(SEEDS)) \
	$(if $(SET),--set $(SET))
SPEED := $(if $(WORKERS),--workers $(WORKERS))

.DEFAULT_GOAL := help
.PHONY: help env report run status test test-browser crash-test fuzz bench pretraining book pdf chapters sizes clean distclean

help:  ## list the targets and variables
	@echo "Targets:"
	@sed -nE 's/^([a-z-]+):.*## (.*)$$/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo "Variables, for example:"
	@echo "  PRESET=$(PRESET) TASKS=\"rte mrpc\" SEEDS=\"1337 42\" SET=\"KEY=VALUE\" RESULTS=$(RESULTS) OUT=$(OUT) WORKERS=2"
	@echo "  PYTHON=python3.12 VENV=$(VENV) TORCH_INDEX=URL PYTEST_ARGS=\"-n auto\""
	@echo "  KILLS=200 INPUTS=10000"

env: $(STAMP)  ## make .venv with the locked versions, once

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "no python3 found; install Python 3.11 or newer"; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is too old: Python 3.11 or newer is needed (make PYTHON=/path/to/python3.11 ...)"; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make environments; on Debian: apt-get install python3-venv"; exit 2; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check $(INDEX) -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -e .
	@touch $@

report: env  ## compute what is missing, run every chapter, build the book, say where it is
	$(BIN)/lottery report $(STUDY) $(SPEED) --out $(OUT)

run: env  ## compute only
	$(BIN)/lottery run $(STUDY) $(SPEED)

status: env  ## what is done, missing or failed
	$(BIN)/lottery status $(STUDY)

test: env  ## run all tests, one process a core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_ARGS)

test-browser: env $(if $(BOOK),,book)  ## open every page of the book in headless Chromium
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || command -v google-chrome >/dev/null \
		|| { echo "no Chromium found; on Debian: apt-get install chromium (elsewhere: CHROMIUM=/path make test-browser)"; exit 2; }
	@$(BIN)/python -c 'import playwright' 2>/dev/null \
		|| $(BIN)/python -m pip install --disable-pip-version-check -e '.[browser]'
	LOTTERY_BOOK=$(or $(BOOK),book/_build/html) $(BIN)/python -m pytest $(PYTEST_ARGS) tests/browser

crash-test: env  ## kill a small sweep KILLS times and compare with an undisturbed one
	$(BIN)/python benchmarks/crash.py --kills $(KILLS)

fuzz: env  ## try INPUTS made-up and damaged inputs of every kind
	$(BIN)/python benchmarks/fuzz.py --inputs $(INPUTS)

pretraining: env  ## the weights of chapter 14 anew, in OUT/pretraining
	for corpus in language shuffled brackets zipf none; do \
		$(BIN)/python -m demo_language.pretrain --corpus $$corpus --out $(OUT)/pretraining/$$corpus || exit; done
	for corpus in language shuffled brackets zipf none; do \
		$(BIN)/python -m demo_language.pretrain --corpus $$corpus --seed 2 --out $(OUT)/pretraining/$$corpus-2 || exit; done

bench: env  ## measure what needs no GPU beside its peers and write the benchmark pages, 15 minutes
	@$(BIN)/python -c 'import accelerate' 2>/dev/null \
		|| $(BIN)/python -m pip install --disable-pip-version-check $(INDEX) -e '.[bench]' \
		|| echo "accelerate cannot be had, so HF Trainer is left out"
	$(BIN)/python benchmarks/all.py $(BENCH_ARGS)

book: env  ## build the committed book strictly, computing nothing
	$(BIN)/jupyter-book build book/ -n -W --keep-going

pdf: $(if $(BOOK),,book)  ## the page to cite as OUT/summary.pdf, printed by Chromium
	mkdir -p $(OUT)
	chromium --headless --no-sandbox --disable-gpu --no-pdf-header-footer --print-to-pdf=$(OUT)/summary.pdf \
		"file://$(abspath $(or $(BOOK),book/_build/html))/chapters/summary.html"

chapters: env  ## as report, and store the executed chapters in book/chapters
	$(BIN)/lottery report $(STUDY) $(SPEED) --out $(OUT) --update-chapters

sizes:  ## lines and files of the packages
	@for folder in lottery_utils lottery_book demo_language; do \
		printf '%-14s %6d lines in %3d files\n' $$folder "$$(find $$folder -name '*.py' -exec cat {} + | wc -l)" \
			"$$(find $$folder -name '*.py' | wc -l)"; \
	done

clean:  ## remove built pages and caches; results stay
	rm -rf $(OUT)/book book/_build build dist .pytest_cache .hypothesis .ruff_cache *.egg-info
	find lottery_utils lottery_book demo_language tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean  ## clean, and remove the environment too; results stay
	rm -rf $(VENV)
