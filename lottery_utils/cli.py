"""The ``lottery`` command: run a study, look at it, show a cell, build the report. Imports no torch itself."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence

from . import __version__, commands
from .disk import problem_of
from .errors import UserError, one_line
from .experiment.stage_table import BASELINES, STAGES
from .presets import GLUE_TASKS, METHODS, PRESETS, SUBNETWORKS

EXAMPLES = """examples:
  lottery run                                          the embedded demo: nine tasks, three seeds, offline
  lottery run --tasks mrpc rte --seeds 42              a part of it
  lottery run --preset laptop --set model=DIR data=DIR a real BERT on real GLUE data
  lottery run --set data=my_task.yaml                  your own data: its columns and labels in a few lines of YAML
  lottery status                                       what is done, running, missing, failed
  lottery show mrpc/42/retrain/structured/good         one result
"""
STUDY, CHOICE = ("results", "preset", "tasks", "seeds", "set"), ("stages", "methods", "subnetworks")
GRID = ("country", "region")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 a cell failed, 2 bad input, 130 stopped."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)  # stop as on Ctrl-C: the store stays clean
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
            signal.signal(signal.SIGHUP, _interrupt)  # the terminal was closed, and no nohup
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text
    try:
        options = _parser().parse_args(arguments)
        return options.command(options)
    except UserError as error:
        print(f"lottery: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if (problem := problem_of(error)) is None:
            raise
        print(f"lottery: error: {one_line(problem)}; correct that, then start again", file=sys.stderr)
        return 2


def _interrupt(number, frame) -> None:
    raise KeyboardInterrupt


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, as every other error."""

    def error(self, message: str) -> None:
        raise UserError(f"{message}; see '{self.prog} --help'")


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = _Parser("lottery", description=__doc__, epilog=EXAMPLES, formatter_class=form)
    parser.add_argument("--version", action="version", version=f"lottery {__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    shared = _shared()

    def add(name: str, text: str, *options: str, epilog: str | None = None):
        command = subparsers.add_parser(name, help=text, epilog=epilog, formatter_class=form)
        command.set_defaults(command=getattr(commands, name.replace("-", "_")))
        for option in options:
            command.add_argument(f"--{option}", **shared[option])
        return command

    run = add("run", "compute every cell that is not stored yet", *STUDY, *CHOICE, *GRID, epilog=_stages())
    run.add_argument("--engine", default="local", help="local (worker processes, the default), serial or ray")
    run.add_argument("--workers", type=int, help="worker processes; default: one a GPU, or one a core without GPUs")
    share = "with --engine ray: the part of a GPU that a cell gets (default: $LOTTERY_GPUS_PER_CELL, else 1)"
    share_of = os.environ.get("LOTTERY_GPUS_PER_CELL", "1")
    run.add_argument("--gpus-per-cell", type=float, default=share_of, metavar="SHARE", help=share)
    text = "on a GPU, replay each training step as a CUDA graph; changes rounding, and no address"
    run.add_argument("--cuda-graphs", action="store_true", help=text)
    run.add_argument("--retry-failed", action="store_true", help="try cells again that failed before")
    run.add_argument("--quiet", action="store_true", help="no progress bar")

    add("status", "what is done, running, missing and failed, with times", *STUDY, *CHOICE)

    show = add("show", "print a stored result", *STUDY)
    show.add_argument("cell", metavar="CELL", help="name (mrpc/42/retrain/structured/good), address, or its beginning")
    text = "what the cell's address was made of and, with OTHER, in what it differs from that cell"
    show.add_argument("--why", nargs="?", const="", metavar="OTHER", help=text)

    add("verify", "read everything in the results folder and say what is there", "results")

    pack = add("pack", "put stored cells into one file a task and seed, to be committed; weights stay out")
    pack.add_argument("results", metavar="RESULTS", help="a results folder; it stays as it is")
    pack.add_argument("folder", metavar="FOLDER", help="where the packs go; cells that they have already stay in them")

    unpack = add("unpack", "write packed cells as the plain folders they were")
    unpack.add_argument("folder", metavar="FOLDER", help="a folder of packs (mrpc-42.tar.xz, ...); they stay")
    unpack.add_argument("--out", metavar="DIR", help="where the folders go (default: FOLDER)")

    report = add("report", "run the chapters and build the book", *STUDY, *GRID)
    report.add_argument("--out", default="out", metavar="DIR", help="the book is built in DIR/book (default: out)")
    report.add_argument("--chapters", nargs="+", metavar="NAME", help="only these (02, ...); others as committed")
    report.add_argument("--update-chapters", action="store_true", help="store executed chapters in book/chapters")
    report.add_argument("--workers", type=int, help="worker processes; default: one a core, one with a GPU")
    report.add_argument("--quiet", action="store_true", help="no progress bars")

    export = add("export", "write a stored model: dense, compact, mask, model card", *STUDY)
    export.add_argument("cell", metavar="CELL", help="name of a stored cell, such as mrpc/42/retrain/structured/good")
    export.add_argument("dir", metavar="DIR", help="a new folder")
    export.add_argument("--onnx", action="store_true", help="also model.onnx (needs lottery-utils[onnx])")

    authors = add("import-authors", "tables from a clone of the authors' repository")
    authors.add_argument("dir", metavar="DIR", help="a clone of sai-prasanna/bert-experiments, or a part of it")
    authors.add_argument("--out", required=True, metavar="OUT", help="the CSV files are written to this folder")
    return parser


def _stages() -> str:
    """What each stage does, those marked that are computed only when named."""
    rows = [f"  {name:15} {s.about}{' (when named)' if s.on_request else ''}" for name, s in STAGES.items()]
    return "\n".join(["stages:", *rows])


def _shared() -> dict[str, dict]:
    """Options that several commands have."""
    stages = f"of {', '.join(STAGES)}; and what these need ('lottery run --help' says what each does)"
    subnetworks = f"of {', '.join(SUBNETWORKS)}; baselines may be named too: {', '.join(BASELINES)}"
    pairs = "any preset field; values are JSON or bare text"
    where = "whose electricity counts for CO2: ISO code of three letters (default: $LOTTERY_COUNTRY, else USA)"
    region = "state or province, USA and CAN only (default: $LOTTERY_REGION)"
    return {
        "results": {"default": "results", "metavar": "DIR", "help": "where results lie (default: results)"},
        "preset": {"default": "demo", "help": f"{', '.join(PRESETS)} (default: demo)"},
        "tasks": {"nargs": "+", "metavar": "TASK", "help": f"of {', '.join(GLUE_TASKS)}, or your own"},
        "seeds": {"nargs": "+", "type": int, "metavar": "SEED"},
        "set": {"nargs": "+", "action": "extend", "default": [], "metavar": "KEY=VALUE", "help": pairs},
        "stages": {"nargs": "+", "metavar": "STAGE", "help": stages},
        "methods": {"nargs": "+", "metavar": "METHOD", "help": f"of {', '.join(METHODS)}"},
        "subnetworks": {"nargs": "+", "metavar": "NAME", "help": subnetworks},
        "country": {"default": os.environ.get("LOTTERY_COUNTRY"), "metavar": "CODE", "help": where},
        "region": {"default": os.environ.get("LOTTERY_REGION"), "metavar": "NAME", "help": region},
    }


if __name__ == "__main__":
    sys.exit(main())
