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
        print(f"lottery: error: {one_line(problem)}", file=sys.stderr)
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

    text = "compute every cell that is not stored yet"
    run = subparsers.add_parser("run", help=text, epilog=_stages(), formatter_class=form)
    _add_study(run)
    _add_choice(run)
    run.add_argument("--engine", default="local", help="local (worker processes, the default), serial or ray")
    run.add_argument("--workers", type=int, help="worker processes; default: one a GPU, or one a core without GPUs")
    share = "with --engine ray: the part of a GPU that a cell gets (default: $LOTTERY_GPUS_PER_CELL, else 1)"
    share_of = os.environ.get("LOTTERY_GPUS_PER_CELL", "1")
    run.add_argument("--gpus-per-cell", type=float, default=share_of, metavar="SHARE", help=share)
    text = "on a GPU, replay each training step as a CUDA graph; changes rounding, and no address"
    run.add_argument("--cuda-graphs", action="store_true", help=text)
    run.add_argument("--retry-failed", action="store_true", help="try cells again that failed before")
    run.add_argument("--quiet", action="store_true", help="no progress bar")
    _add_grid(run)
    run.set_defaults(command=commands.run)

    status = subparsers.add_parser("status", help="what is done, running, missing and failed, with times")
    _add_study(status)
    _add_choice(status)
    status.set_defaults(command=commands.status)

    show = subparsers.add_parser("show", help="print a stored result")
    show.add_argument("cell", metavar="CELL", help="name (mrpc/42/retrain/structured/good), address, or its beginning")
    text = "what the cell's address was made of and, with OTHER, in what it differs from that cell"
    show.add_argument("--why", nargs="?", const="", metavar="OTHER", help=text)
    _add_study(show)
    show.set_defaults(command=commands.show)

    verify = subparsers.add_parser("verify", help="read everything in the results folder and say what is there")
    verify.add_argument("--results", default="results", metavar="DIR", help="where results lie (default: results)")
    verify.set_defaults(command=commands.verify)

    text = "put stored cells into one file a task and seed, to be committed; weights stay out"
    pack = subparsers.add_parser("pack", help=text)
    pack.add_argument("results", metavar="RESULTS", help="a results folder; it stays as it is")
    pack.add_argument("folder", metavar="FOLDER", help="where the packs go; cells that they have already stay in them")
    pack.set_defaults(command=commands.pack)

    unpack = subparsers.add_parser("unpack", help="write packed cells as the plain folders they were")
    unpack.add_argument("folder", metavar="FOLDER", help="a folder of packs (mrpc-42.tar.xz, ...); they stay")
    unpack.add_argument("--out", metavar="DIR", help="where the folders go (default: FOLDER)")
    unpack.set_defaults(command=commands.unpack)

    gc = subparsers.add_parser("gc", help="free the space of checkpoints that no missing cell needs; records stay")
    _add_study(gc)
    _add_choice(gc)
    gc.add_argument("--yes", action="store_true", help="remove; without it only shown")
    gc.set_defaults(command=commands.gc)

    report = subparsers.add_parser("report", help="run the chapters and build the book")
    _add_study(report)
    report.add_argument("--out", default="out", metavar="DIR", help="the book is built in DIR/book (default: out)")
    report.add_argument("--chapters", nargs="+", metavar="NAME", help="only these (02, ...); others as committed")
    report.add_argument("--update-chapters", action="store_true", help="store executed chapters in book/chapters")
    report.add_argument("--workers", type=int, help="worker processes; default: one a core, one with a GPU")
    report.add_argument("--quiet", action="store_true", help="no progress bars")
    _add_grid(report)
    report.set_defaults(command=commands.report)

    export = subparsers.add_parser("export", help="write a stored model: dense, compact, mask, model card")
    export.add_argument("cell", metavar="CELL", help="name of a stored cell, such as mrpc/42/retrain/structured/good")
    export.add_argument("dir", metavar="DIR", help="a new folder")
    _add_study(export)
    export.add_argument("--onnx", action="store_true", help="also model.onnx (needs lottery-utils[onnx])")
    export.add_argument("--push", metavar="USER/NAME", help="then upload the folder to the hub, with your own login")
    export.set_defaults(command=commands.export)

    authors = subparsers.add_parser("import-authors", help="tables from a clone of the authors' repository")
    authors.add_argument("dir", metavar="DIR", help="a clone of sai-prasanna/bert-experiments, or a part of it")
    authors.add_argument("--out", required=True, metavar="OUT", help="the CSV files are written to this folder")
    authors.set_defaults(command=commands.import_authors)
    return parser


def _stages() -> str:
    """What each stage does, those marked that are computed only when named."""
    rows = [f"  {name:15} {s.about}{' (when named)' if s.on_request else ''}" for name, s in STAGES.items()]
    return "\n".join(["stages:", *rows])


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="demo", help=f"{', '.join(PRESETS)} (default: demo)")
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help=f"of {', '.join(GLUE_TASKS)}, or your own")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED")
    pairs = "any preset field; values are JSON or bare text"
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=pairs)
    parser.add_argument("--results", default="results", metavar="DIR", help="where results lie (default: results)")


def _add_grid(parser: argparse.ArgumentParser) -> None:
    where = "whose electricity counts for CO2: ISO code of three letters (default: $LOTTERY_COUNTRY, else USA)"
    parser.add_argument("--country", default=os.environ.get("LOTTERY_COUNTRY"), metavar="CODE", help=where)
    region = "state or province, USA and CAN only (default: $LOTTERY_REGION)"
    parser.add_argument("--region", default=os.environ.get("LOTTERY_REGION"), metavar="NAME", help=region)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    stages = f"of {', '.join(STAGES)}; and what these need ('lottery run --help' says what each does)"
    parser.add_argument("--stages", nargs="+", metavar="STAGE", help=stages)
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help=f"of {', '.join(METHODS)}")
    subnetworks = f"of {', '.join(SUBNETWORKS)}; baselines may be named too: {', '.join(BASELINES)}"
    parser.add_argument("--subnetworks", nargs="+", metavar="NAME", help=subnetworks)


if __name__ == "__main__":
    sys.exit(main())
