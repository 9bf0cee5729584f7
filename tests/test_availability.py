"""What makes the companion citable and usable elsewhere: citation, licences, Binder's environment, the workflow."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import yaml

import lottery_utils

ROOT = Path(__file__).resolve().parent.parent
PAPER = "10.18653/v1/2020.emnlp-main.259"
BUILDS = {"jupyter-book", "sphinx-mathjax-offline", "pillow", "pyyaml"}  # what the book is built with


def pins(path: Path) -> dict[str, str]:
    """Package and exact version, by lower-case name."""
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return dict(line.lower().replace("_", "-").split("==") for line in lines if line)


def test_citation_and_zenodo_agree_with_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == zenodo["version"] == lottery_utils.__version__
    assert citation["title"] == zenodo["title"] and citation["keywords"] == zenodo["keywords"] == project["keywords"]
    assert citation["license"] == project["license"] == zenodo["license"].upper() == "MIT"
    assert [author["name"] for author in citation["authors"]] == [person["name"] for person in zenodo["creators"]]
    assert PAPER in {reference.get("doi") for reference in citation["references"]}
    assert PAPER in {related["identifier"] for related in zenodo["related_identifiers"]}


def test_text_has_a_licence_of_its_own_that_the_readme_names():
    text = (ROOT / "LICENSE-TEXT.md").read_text(encoding="utf-8")
    assert "https://creativecommons.org/licenses/by/4.0/" in text and "CC-BY-4.0" in text
    assert "LICENSE-TEXT.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_terms_name_every_model_of_a_preset_and_every_task():
    from lottery_utils.presets import GLUE_TASKS, PRESETS

    text = (ROOT / "book" / "terms.md").read_text(encoding="utf-8")
    for preset in PRESETS.values():
        assert preset.model == "embedded" or preset.model.split("/")[-1] in text, preset.name
    shown = {re.sub(r"\W", "", row.split("|")[1].split("{")[0]).lower() for row in text.splitlines() if "| " in row}
    assert set(GLUE_TASKS) <= shown


def test_binder_has_exact_versions_of_the_lock_and_no_torch():
    lock, binder = pins(ROOT / "requirements.lock"), pins(ROOT / "binder" / "requirements.txt")
    assert BUILDS <= set(binder) and not {"torch", "transformers", "datasets"} & set(binder)
    assert {name: lock[name] for name in binder} == binder
    assert (ROOT / "binder" / "runtime.txt").read_text().strip() == "python-3.11"
    assert (ROOT / "binder" / "postBuild").stat().st_mode & 0o100


def test_workflow_runs_both_systems_and_every_version_that_is_promised():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos"}
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert set(workflow["jobs"]["publish"]["needs"]) == {"build", "tests", "reading"}


def test_issue_templates_are_forms_that_can_be_filled_in():
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert len(forms) == 3
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert form["name"] and form["description"]
        ids = [field["id"] for field in form["body"]]
        assert len(ids) == len(set(ids)) and any(field.get("validations") for field in form["body"])
