"""What a chapter computes before it shows anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..experiment.study import Study


def compute(study: Study, stages: Iterable[str], methods: Iterable[str] | None = None) -> None:
    """Compute the cells of `stages` and all they need, unless stored, and print what was done and what failed.

    A failed cell does not stop a chapter: it is shown as a gap. Raises UserError for bad input.
    """
    summary = study.run(stages=stages, methods=methods)
    print(summary)
    for error in summary.failed.values():
        print(f"failed: {error}")
