"""How results are shown: frames of records, statistics, figures, tables, words; modules are imported on first use."""

from ..places import submodules

# what every chapter calls
_FUNCTIONS = {"apply_style": "style"} | dict.fromkeys(("as_percent", "glue_numbers", "holds", "source"), "sentences")
__getattr__ = submodules(__name__, _FUNCTIONS)
