"""Which room may import which: only those above it; the package not the pages' code, nothing the demo's maker."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lottery_utils

ROOT = Path(__file__).resolve().parent.parent
# from the top; modules that lie in no room count by their own names
ROOMS = ("errors", "places", "validation", "yamlfile", "taskfile", "methods", "presets", "demo", "tasks", "models")
ROOMS += ("training", "pruning", "experiment", "show", "export", "commands", "cli")
