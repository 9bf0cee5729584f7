"""Fuzz tests of files: task folders, record files, payload."""

from __future__ import annotations

import contextlib
import json
import lzma
import shutil
from pathlib import Path

import glue_files
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fuzz_common import TEXTS, Tally, bytes_damage, over
from fuzz_words import call
from hypothesis import strategies as st
from made_up_records import make_study, plain_record
from safetensors.numpy import save_file

from lottery_utils.experiment.packing import pack
from lottery_utils.experiment.packs import read_pack
from lottery_utils.experiment.store import PREDICTIONS, RECORD, Store
from lottery_utils.experiment.verify import verify_store
from lottery_utils.presets import GLUE_TASKS
from lottery_utils.tasks.load import load_task


def task_files(tally: Tally, folder: Path):
    """Good TSV and parquet files with damaged bytes, and truncated ones."""
    good = {name: (glue_files.example_rows(name), glue_files.example_rows(name, 5, start=100)) for name in GLUE_TASKS}

    @over(st.sampled_from(GLUE_TASKS), st.booleans(), st.booleans(), st.randoms(use_true_random=False))
    def test(name, parquet, dev, draw):
        root = folder / "files"
        shutil.rmtree(root, ignore_errors=True)
        (glue_files.write_parquet_task if parquet else glue_files.write_tsv_task)(root, name, *good[name])
        paths = sorted(p for p in root.rglob("*") if p.is_file())
        path = paths[0 if dev else -1]
        path.write_bytes(bytes_damage(path.read_bytes(), draw))
        with tally.judged("task files"):
            _check_task(tally, name, root)

    return test


COLUMN = st.one_of(
    st.lists(TEXTS | st.none(), min_size=3, max_size=3), st.lists(st.integers(-3, 4), min_size=3, max_size=3),
    st.lists(st.floats(width=32), min_size=3, max_size=3), st.lists(st.booleans(), min_size=3, max_size=3),
    st.lists(st.binary(max_size=3), min_size=3, max_size=3), st.just([None] * 3), st.just(["x" * 100_000] * 3),
    st.just([[1], [2], []]), st.just([{"a": 1}] * 3), st.just([0, 1, 0]), st.just(["one", "two", "three"]),
)  # fmt: skip


def task_tables(tally: Tally, folder: Path):
    """Parquet tables with columns missing, extra, doubled, of any kind, and any number of rows."""
    names = ("sentence", "sentence1", "sentence2", "question", "question1", "question2", "premise", "label", "idx")
    columns = st.lists(st.tuples(st.sampled_from(names) | TEXTS, COLUMN), max_size=5)

    @over(st.sampled_from(GLUE_TASKS), columns, st.integers(0, 3), st.booleans())
    def test(name, columns, rows, from_good):
        root = folder / "tables"
        shutil.rmtree(root, ignore_errors=True)
        good = glue_files.example_rows(name, 3)
        glue_files.write_parquet_task(root, name, good, good)
        if from_good:
            columns = [(key, value) for key, value in good.items() if key not in dict(columns)] + columns
        try:
            arrays = [pa.array(value[:rows]) for _, value in columns]
            table = pa.Table.from_arrays(arrays, names=[key for key, _ in columns])
            pq.write_table(table, root / name / "train.parquet")
        except (pa.ArrowException, ValueError, TypeError, UnicodeEncodeError):
            return  # no such file can be made
        with tally.judged("task tables"):
            _check_task(tally, name, root)

    return test


def _check_task(tally: Tally, name: str, root: Path) -> None:
    data = load_task(name, str(root))
    for split in (data.train, data.dev):
        labels, task = np.asarray(split.labels), data.task
        sound = len(split) == len(labels) > 0 and all(isinstance(t, str) for row in split.texts for t in row)
        if task.regression:
            sound &= bool(np.isfinite(labels).all() and (labels >= 0).all() and (labels <= 5).all())
        else:
            sound &= bool(((labels >= 0) & (labels < task.num_labels)).all())
        if not sound:
            tally.wrong("task", f"{name}: {split}")


def records(tally: Tally, folder: Path):
    """Records with damaged bytes, and strange files beside them."""
    root = folder / "records"
    study = make_study(root, ("mrpc",), (1,))
    store = study.store
    wanted = [c for c in study.cells() if c.stage in ("search", "retrain", "finetune")]
    kept = {study.address(c): (store.folder(study.address(c)) / RECORD).read_bytes() for c in wanted}
    arguments = ["--preset", "paper", "--tasks", "mrpc", "--seeds", "1", "--results", str(root)]
    arguments += ["--set", "model=nowhere-model", "data=nowhere-data"]

    def look(address: str) -> dict | None:
        list(store.records())
        return store.read(address, deep=True)

    @over(st.sampled_from(sorted(kept)), st.randoms(use_true_random=False))
    def damaged(address, draw):
        path = store.folder(address) / RECORD
        path.write_bytes(bytes_damage(kept[address], draw))
        try:
            with tally.judged("record files"):
                found = look(address)
                if found is not None and found != json.loads(kept[address]):
                    tally.wrong("record", "altered, and read as intact")
        finally:
            path.write_bytes(kept[address])

    places = st.sampled_from([".claims", ".failures", ".fingerprints.json", ".staging", "x"])

    @over(places, TEXTS, st.binary(max_size=60))
    def beside(place, name, content):
        """Strange files where the store keeps its notes."""
        name = name.replace("/", "").replace("\0", "")[:200].strip(".") or "y"
        target = root / place / name if place.startswith(".") and "." not in place[1:] else root / place
        with contextlib.suppress(OSError, UnicodeEncodeError):
            target.parent.mkdir(exist_ok=True)
            if not target.exists():
                target.write_bytes(content)
        try:
            with tally.judged("store notes"):
                verify_store(store)
                call(["status", *arguments])
        finally:
            with contextlib.suppress(OSError):
                target.unlink(missing_ok=True)

    return [damaged, beside]


def predictions(tally: Tally, folder: Path):
    """Payload files with damaged bytes: never read as intact."""
    store: Store = make_study(folder / "payload", ("mrpc",), (1,)).store
    address = "mrpc-full-finetune-1-0123456789"
    files = {PREDICTIONS: lambda path: save_file({"predictions": np.arange(9)}, path)}
    store.write(address, plain_record("mrpc/1/finetune/full"), files)
    path = store.folder(address) / PREDICTIONS
    kept = path.read_bytes()

    @over(st.randoms(use_true_random=False))
    def test(draw):
        content = bytes_damage(kept, draw)
        path.write_bytes(content)
        with tally.judged("payload"):
            store.content(address, PREDICTIONS)
            if content != kept:
                tally.wrong("payload", "altered, and read as intact")

    return test


def packs(tally: Tally, folder: Path):
    """Packs with damaged bytes, and such whose tar archive was damaged before it was compressed."""
    study = make_study(folder / "folders", ("mrpc",), (1,))
    pack(study.store, folder / "packed")
    store, path = Store(folder / "packed"), folder / "packed" / "mrpc-1.tar.xz"
    kept, good = path.read_bytes(), read_pack(path)

    @over(st.randoms(use_true_random=False), st.booleans())
    def test(draw, inside):
        content = lzma.compress(bytes_damage(lzma.decompress(kept), draw)) if inside else bytes_damage(kept, draw)
        path.write_bytes(content)
        with tally.judged("packs"):
            verify_store(store)
            list(store.records())
            if not inside and content != kept and read_pack(path) != good:
                tally.wrong("packs", "altered, and read as intact")

    return test
