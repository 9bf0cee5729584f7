"""What each command of `lottery` does with the options that `cli` parsed: it returns the exit code. No torch here."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .disk import writable
from .errors import UserError, shown, usable_path
from .places import function_at


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


def run(options: argparse.Namespace) -> int:
    """Compute what is missing; 1 where a cell failed."""
    study = _study(options)
    how = ("engine", "workers", "retry_failed", "cuda_graphs", "country", "region", "gpus_per_cell")
    given = {name: getattr(options, name) for name in how}
    summary = study.run(options.stages, options.methods, options.subnetworks, progress=not options.quiet, **given)
    print(summary)
    for error in summary.failed.values():
        print(f"failed: {error}")
    for name, cause in summary.blocked.items():
        print(f"blocked: {name} needs {cause}")
    if summary.ok:
        print(f"results are in {study.store.root}; 'lottery status' lists them")
    return 0 if summary.ok else 1


def status(options: argparse.Namespace) -> int:
    """Print the grid and what failed."""
    from .experiment.identity import EARLIER_VERSION
    from .experiment.tables import gap_lines, status_lines

    study = _study(options)
    states = study.states(options.stages, options.methods, options.subnetworks)
    earlier = len(study.earlier())
    print("\n".join([*status_lines(states), *gap_lines(states)]))
    counts = {name: sum(s["state"] == name for s in states) for name in dict.fromkeys(s["state"] for s in states)}
    print("s-: structured pruning, m-: magnitude pruning")
    print(f"{len(states)} cells: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    failures = [state["error"] for state in states if state["error"]]
    print("\n".join([f"failed: {error}" for error in failures]), end="\n" if failures else "")
    if failures:
        print("'lottery run --retry-failed' with the same arguments tries failed cells again")
    if earlier:
        print(f"{earlier} cells are kept, and not used: {EARLIER_VERSION}; 'lottery verify' lists them")
    return 0


def verify(options: argparse.Namespace) -> int:
    """Say what lies in a results folder; 1 where something is damaged or cannot be read."""
    from .experiment.verify import BAD, verify_lines, verify_store

    store = _store(options.results)
    found = verify_store(store)
    print("\n".join(verify_lines(found, store.root)))
    return 1 if any(finding.kind in BAD for finding in found) else 0


def _store(folder: str):
    from .experiment.store import Store

    store = Store(folder)
    if not store.root.is_dir():
        raise UserError(f"there is no results directory {shown(folder)}; name one that is there")
    return store


def pack(options: argparse.Namespace) -> int:
    """Put the cells of a results folder into packs; 1 where a damaged one was left out."""
    from .experiment.packing import pack, packed_lines

    done = pack(_store(options.results), usable_path("folder", options.folder))
    print("\n".join(packed_lines(done, options.folder)))
    return 1 if done.damaged else 0


def unpack(options: argparse.Namespace) -> int:
    """Write the cells of packs as plain folders."""
    from .experiment.packing import unpack

    target = options.folder if options.out is None else options.out
    written = unpack(usable_path("folder", options.folder), usable_path("--out", target))
    print(f"{written} cells unpacked into {target}")
    return 0


def show(options: argparse.Namespace) -> int:
    """Print a record, or what an address was made of."""
    from .experiment.identity import EARLIER_VERSION, earlier_addresses, version_note
    from .experiment.record import dump
    from .experiment.store import Store

    if options.why is not None:
        return _why(options)
    record = _find(options, options.cell)
    if record["address"] in earlier_addresses(Store(options.results).records()):
        print(f"{record['address']}: {EARLIER_VERSION} ({version_note(record)})", file=sys.stderr)
    print(dump(record), end="")
    return 0


def _why(options: argparse.Namespace) -> int:
    from .experiment.identity import difference_lines, why_lines
    from .experiment.store import Store

    cell = _cell(options, options.cell)
    other = _cell(options, options.why) if options.why else None
    records = Store(options.results).records()
    print("\n".join(difference_lines(cell, other, records) if other else why_lines(cell)))
    return 0


def _cell(options: argparse.Namespace, wanted: str) -> dict:
    """A stored cell's record; or, by its name, address and inputs of a cell of the study that is not stored."""
    try:
        return _find(options, wanted)
    except UserError:
        if "/" not in wanted:
            raise
        study = _study(options)
        return {"address": study.address(wanted), "name": wanted, "inputs": study.inputs(wanted)}


def _find(options: argparse.Namespace, wanted: str) -> dict:
    """The record `lottery show` is asked for; raises UserError when there is none or more than one."""
    from .experiment.store import Damaged, Store

    store = Store(options.results)
    if "/" in wanted:
        found = [record["address"] for record in store.records() if record["name"] == wanted]
        if len(found) != 1 and (meant := _study(options).address(wanted)) in store.addresses():
            found = [meant]
    else:
        found = [address for address in store.addresses() if address.startswith(wanted)]
        found = [wanted] if wanted in found else found
    if not found:
        raise UserError(f"no cell {shown(wanted)} is stored in {shown(options.results)}; see 'lottery status'")
    if len(found) > 1:
        listed = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        many = f"{shown(wanted)} is the beginning or name of {len(found)} stored cells"
        raise UserError(f"{many} ({listed}); name one of them")
    try:
        return store.read(found[0])
    except Damaged as damage:
        raise UserError(f"damaged: {damage}; the next run computes it again") from None


def report(options: argparse.Namespace) -> int:
    """Run the chapters and build the book."""
    names = ("preset", "tasks", "seeds", "out", "chapters", "update_chapters", "workers", "country", "region")
    given = {name: getattr(options, name) for name in names}
    given |= {"overrides": _overrides(options.set), "results_dir": options.results, "progress": not options.quiet}
    try:
        with writable(Path(options.out)):
            function_at("lottery_book.building.build:build_report")(**given)
    except KeyboardInterrupt:
        print("stopped: start the same report again; cells that are done are kept", file=sys.stderr)
        raise
    return 0


def export(options: argparse.Namespace) -> int:
    """Write a stored model."""
    from .experiment.cells import parse_cell
    from .export.folder import export_cell

    study = _study(options)
    folder = usable_path("folder", options.dir)
    rebuilt = export_cell(study, parse_cell(options.cell, study.preset.tasks), folder, options.onnx)
    print(f"{rebuilt.cell.name}: {rebuilt.agreement}")
    print(f"{folder / 'README.md'}: the model card, with what loads each form, how exactly it computes and how fast")
    return 0


def import_authors(options: argparse.Namespace) -> int:
    """Write the tables of the authors' release."""
    folder, out = usable_path("folder", options.dir), usable_path("--out", options.out)
    tables = function_at("lottery_book.authors.masks:write_tables")(folder, out)
    for name, table in tables.items():
        print(f"{out}/{name}.csv: {len(table):,} rows")
    return 0
