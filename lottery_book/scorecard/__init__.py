"""The scorecard: the paper's claims, each judged once on each source of evidence; chapters cite the verdicts."""

from lottery_utils.places import function_at, submodules

_modules = submodules(__name__)


def __getattr__(name: str):
    return function_at(f"{__name__}.judge:Verdicts") if name == "verdicts" else _modules(name)
