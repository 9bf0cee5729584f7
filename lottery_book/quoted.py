"""Code of the package on a page: included by name, so that it cannot differ from what runs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from lottery_utils.places import function_at

if TYPE_CHECKING:
    from IPython.display import Markdown


def quoted(name: str) -> Markdown:
    """The source of a function or class, named as "lottery_utils.training.finetune:plain_steps", as a block of code."""
    from IPython.display import Markdown

    return Markdown(f"```python\n{inspect.getsource(function_at(name))}```")
