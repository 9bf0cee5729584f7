"""The ``lottery`` command: run a study, look at it, show a cell, build the report. Imports no torch itself."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence

from . import __version__
from .errors import UserError, one_line, shown, usable_path
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
        print(f"lottery: error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


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
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="compute every cell that is not stored yet")
    _add_study(run)
    _add_choice(run)
    run.add_argument("--engine", default="local", help="local (worker processes, the default), serial or ray")
    run.add_argument("--workers", type=int, help="worker processes; default: one a GPU, or one a core without GPUs")
    share = "with --engine ray: the part of a GPU that a cell gets (default: $LOTTERY_GPUS_PER_CELL, else 1)"
    run.add_argument("--gpus-per-cell", metavar="SHARE", help=share)
    run.add_argument("--retry-failed", action="store_true", help="try cells again that failed before")
    run.add_argument("--quiet", action="store_true", help="no progress bar")
    _add_grid(run)
    run.set_defaults(command=_run)

    status = commands.add_parser("status", help="what is done, running, missing and failed, with times")
    _add_study(status)
    _add_choice(status)
    status.set_defaults(command=_status)

    show = commands.add_parser("show", help="print a stored result")
    show.add_argument("cell", metavar="CELL", help="name (mrpc/42/retrain/structured/good), address, or its beginning")
    text = "what the cell's address was made of and, with OTHER, in what it differs from that cell"
    show.add_argument("--why", nargs="?", const="", metavar="OTHER", help=text)
    _add_study(show)
    show.set_defaults(command=_show)

    verify = commands.add_parser("verify", help="read everything in the results folder and say what is there")
    verify.add_argument("--results", default="results", metavar="DIR", help="where results lie (default: results)")
    verify.set_defaults(command=_verify)

    gc = commands.add_parser("gc", help="free the space of checkpoints that no missing cell needs; records stay")
    _add_study(gc)
    _add_choice(gc)
    gc.add_argument("--yes", action="store_true", help="remove; without it only shown")
    gc.set_defaults(command=_gc)

    report = commands.add_parser("report", help="run the chapters and build the book")
    _add_study(report)
    report.add_argument("--out", default="out", metavar="DIR", help="the book is built in DIR/book (default: out)")
    report.add_argument("--chapters", nargs="+", metavar="NAME", help="only these (02, ...); others as committed")
    report.add_argument("--update-chapters", action="store_true", help="store executed chapters in book/chapters")
    report.add_argument("--workers", type=int, help="worker processes; default: one a core, one with a GPU")
    report.add_argument("--quiet", action="store_true", help="no progress bars")
    _add_grid(report)
    report.set_defaults(command=_report)

    export = commands.add_parser("export", help="write a stored model: dense, compact, mask, model card")
    export.add_argument("cell", metavar="CELL", help="name of a stored cell, such as mrpc/42/retrain/structured/good")
    export.add_argument("dir", metavar="DIR", help="a new folder")
    _add_study(export)
    export.add_argument("--onnx", action="store_true", help="also model.onnx (needs lottery-utils[onnx])")
    export.add_argument("--push", metavar="USER/NAME", help="then upload the folder to the hub, with your own login")
    export.set_defaults(command=_export)

    authors = commands.add_parser("import-authors", help="tables from a clone of the authors' repository")
    authors.add_argument("dir", metavar="DIR", help="a clone of sai-prasanna/bert-experiments, or a part of it")
    authors.add_argument("--out", required=True, metavar="OUT", help="the CSV files are written to this folder")
    authors.set_defaults(command=_import_authors)
    return parser


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="demo", help=f"{', '.join(PRESETS)} (default: demo)")
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help=f"of {', '.join(GLUE_TASKS)}, or your own")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED")
    pairs = "any preset field; values are JSON or bare text"
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=pairs)
    parser.add_argument("--results", default="results", metavar="DIR", help="where results lie (default: results)")


def _add_grid(parser: argparse.ArgumentParser) -> None:
    where = "whose electricity counts for CO2: ISO code of three letters (default: $LOTTERY_COUNTRY, else USA)"
    parser.add_argument("--country", metavar="CODE", help=where)
    region = "state or province, USA and CAN only (default: $LOTTERY_REGION)"
    parser.add_argument("--region", metavar="NAME", help=region)


def _choose_grid(options: argparse.Namespace) -> None:
    """Say the grid in the environment, where chapters and their kernels find it too."""
    for name in ("country", "region"):
        if getattr(options, name) is not None:
            os.environ[f"LOTTERY_{name.upper()}"] = getattr(options, name)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    stages = "of finetune, baseline, search, control, score, retrain, retrain_longer, attention, landscape, surface, "
    stages += "probes, importance, hans, hans_retrain, curve; and what these need"
    parser.add_argument("--stages", nargs="+", metavar="STAGE", help=stages)
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help=f"of {', '.join(METHODS)}")
    subnetworks = f"of {', '.join(SUBNETWORKS)}; baselines may be named too: majority, bag_of_words, cbow, bilstm, ..."
    parser.add_argument("--subnetworks", nargs="+", metavar="NAME", help=subnetworks)


def _overrides(pairs: list[str]) -> dict:
    """The mapping of ``KEY=VALUE`` arguments; values that are no JSON are text."""
    overrides = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign or not key:
            raise UserError(f"--set needs KEY=VALUE, got {shown(pair)}")
        if key in overrides:
            raise UserError(f"--set gives {shown(key)} twice")
        try:
            overrides[key] = json.loads(text)
        except (ValueError, RecursionError):
            overrides[key] = text
    return overrides


def _study(options: argparse.Namespace):
    from .experiment.study import open_study

    overrides = _overrides(options.set)
    for name in ("tasks", "seeds"):
        if getattr(options, name) is not None and name in overrides:
            raise UserError(f"{name} is given by --{name} and by --set; give it once")
    return open_study(options.preset, options.tasks, options.seeds, overrides, options.results)


def _run(options: argparse.Namespace) -> int:
    _choose_grid(options)
    if options.gpus_per_cell is not None:
        os.environ["LOTTERY_GPUS_PER_CELL"] = options.gpus_per_cell
    study = _study(options)
    summary = study.run(
        options.stages, options.methods, options.subnetworks, options.engine, options.workers, not options.quiet,
        options.retry_failed,
    )
    print(summary)
    for error in summary.failed.values():
        print(f"failed: {error}")
    for name, cause in summary.blocked.items():
        print(f"blocked: {name} needs {cause}")
    if summary.ok:
        print(f"results are in {study.store.root}; 'lottery status' lists them")
    return 0 if summary.ok else 1


def _status(options: argparse.Namespace) -> int:
    from .experiment.tables import gap_lines, status_lines

    study = _study(options)
    states = study.states(options.stages, options.methods, options.subnetworks)
    print("\n".join([*status_lines(states), *gap_lines(states)]))
    counts = {name: sum(s["state"] == name for s in states) for name in dict.fromkeys(s["state"] for s in states)}
    print("s-: structured pruning, m-: magnitude pruning")
    print(f"{len(states)} cells: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    failures = [state["error"] for state in states if state["error"]]
    print("\n".join([f"failed: {error}" for error in failures]), end="\n" if failures else "")
    if failures:
        print("'lottery run --retry-failed' with the same arguments tries failed cells again")
    if old := study.store.old_protocols():
        print(f"{old} cells of older protocol versions are kept, and not used; 'lottery verify' lists them")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from .experiment.store import Store
    from .experiment.verify import BAD, verify_lines, verify_store

    store = Store(options.results)
    if not store.root.is_dir():
        raise UserError(f"there is no results directory {shown(options.results)}; name one with --results")
    found = verify_store(store)
    print("\n".join(verify_lines(found, store.root)))
    return 1 if any(f.kind in BAD for f in found) else 0


def _gc(options: argparse.Namespace) -> int:
    from .experiment.gc import find_garbage, gc_lines, remove

    study = _study(options)
    plan = find_garbage(study, study.cells(options.stages, options.methods, options.subnetworks))
    if options.yes:
        remove(plan.garbage, study.store.root)
    print("\n".join(gc_lines(plan, study.store.root, options.yes)))
    return 0


def _show(options: argparse.Namespace) -> int:
    from .experiment.files import dump

    if options.why is not None:
        return _why(options)
    print(dump(_find(options, options.cell)), end="")
    return 0


def _why(options: argparse.Namespace) -> int:
    from .experiment.store import Store
    from .experiment.why import difference_lines, why_lines

    one = _made(options, options.cell)
    if not options.why:
        print("\n".join(why_lines(one)))
    else:
        print("\n".join(difference_lines(one, _made(options, options.why), Store(options.results))))
    return 0


def _made(options: argparse.Namespace, wanted: str):
    """What a cell's address was made of: a stored one's, or by its name a cell's of the study, stored or not."""
    from .experiment.cells import parse_cell
    from .experiment.form import says_inputs
    from .experiment.why import Made, made_of

    try:
        record = _find(options, wanted)
    except UserError:
        if "/" not in wanted:
            raise
        study = _study(options)
        cell = parse_cell(wanted, study.preset.tasks)
        return Made(study.address(cell), cell.name, study.inputs(cell), False)
    if not says_inputs(record):
        raise UserError(f"{record['address']} is of protocol {record['protocol']} and does not say what it was made of")
    return made_of(record)


def _find(options: argparse.Namespace, wanted: str) -> dict:
    """The record `lottery show` is asked for; raises UserError when there is none or more than one."""
    from .experiment.cells import parse_cell
    from .experiment.store import Damaged, Store

    store = Store(options.results)
    try:
        if "/" in wanted:
            record, unknown = None, None
            study = _study(options)
            try:
                record = study.record(parse_cell(wanted, study.preset.tasks))
            except UserError as error:  # an own task's cell is found without its YAML file
                unknown = error
            if record is not None:
                return record
            found = [r["address"] for r in store.records(old=True) if r["name"] == wanted]
        else:
            found = [a for a in store.addresses() if a.startswith(wanted)]
            found = [wanted] if wanted in found else found
        if len(found) == 1:
            return store.read(found[0])
    except Damaged as damage:
        raise UserError(f"damaged: {damage}; the next run computes it again") from None
    if not found:
        if "/" in wanted and unknown is not None:
            raise unknown
        raise UserError(f"no cell {shown(wanted)} is stored in {shown(options.results)}; see 'lottery status'")
    listed = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
    many = f"{shown(wanted)} is the beginning or name of {len(found)} stored cells"
    raise UserError(f"{many} ({listed}); name one of them")


def _report(options: argparse.Namespace) -> int:
    from .report.build import build_report

    _choose_grid(options)
    try:
        build_report(
            preset=options.preset,
            tasks=options.tasks,
            seeds=options.seeds,
            overrides=_overrides(options.set),
            results_dir=options.results,
            out=options.out,
            chapters=options.chapters,
            update_chapters=options.update_chapters,
            workers=options.workers,
            progress=not options.quiet,
        )
    except KeyboardInterrupt:
        print("stopped: start the same report again; cells and chapters that are done are kept", file=sys.stderr)
        raise
    return 0


def _export(options: argparse.Namespace) -> int:
    from .experiment.cells import parse_cell
    from .export.folder import export_cell
    from .export.text import exported_lines

    study = _study(options)
    if options.push is not None:
        from .export.hub import push, require_login

        require_login(options.push)
    exported = export_cell(study, parse_cell(options.cell, study.preset.tasks), options.dir, options.onnx)
    print("\n".join(exported_lines(exported)))
    if options.push is not None:
        print(f"uploaded to {push(exported.folder, options.push)}")
    return 0


def _import_authors(options: argparse.Namespace) -> int:
    from .analysis.authors.tables import import_release, summary_lines, write_tables

    usable_path("folder", options.dir)
    usable_path("--out", options.out)
    imported = import_release(options.dir)
    out = write_tables(imported, options.out)
    print("\n".join(summary_lines(imported)))
    print(f"the tables are in {out}; notes.txt there says what each of them is")
    return 0


if __name__ == "__main__":
    sys.exit(main())
