"""How results are shown: frames of records, statistics, figures, tables, words; modules are imported on first use."""

from ..places import function_at, submodules

# what every chapter calls
_FUNCTIONS = {"apply_style": "style"} | dict.fromkeys(("as_percent", "glue_numbers", "holds", "source"), "sentences")
_modules = submodules(__name__)


def __getattr__(name: str):
    if name in _FUNCTIONS:
        return function_at(f"{__name__}.{_FUNCTIONS[name]}:{name}")
    return _modules(name)
