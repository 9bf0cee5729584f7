"""Which files a model name stands for, and the fingerprint of their content; needs neither torch nor transformers."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from pathlib import Path

from ..demo import micro_bert_dir
from ..disk import readable, require_file, sha256
from ..errors import UserError, one_line
from ..hub import snapshot

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model",
    "bpe.codes", "vocab.bpe", "spm.model", "sentencepiece.model", "tokenizer.model", "source.spm", "target.spm",
    "spm_char.model", "dict.txt", "prophetnet.tokenizer", "byte_maps.json", "entity_vocab.json", "target_vocab.json",
    "vocab-src.json", "vocab-tgt.json", "word_pronunciation.json", "word_shape.json", "emoji.json", "normalizer.json",
)  # fmt: skip
KNOWN = {  # public models by fingerprint: where a record's model lay on some machine says little
    "ba25ff2953a386750c47619622ca058294bc32e317704056b53259063c735e63": "sentence-transformers/all-MiniLM-L6-v2",
    "ae969a9d77241e2a73d66ccdaf0ab25da88a987139d7f67805886e820d47a1f2": "sentence-transformers/all-mpnet-base-v2",
}
SAYS_NOTHING = re.compile(r"(model|weights|checkpoint|final|best|hf|v?\d+)([-_.]?\d+)?|[0-9a-f]{40}", re.IGNORECASE)
VERSIONED = re.compile(r"tokenizer\..+\.json")  # what newer versions of transformers read in place of tokenizer.json
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def model_dir(model: str, weights: bool = True) -> Path:
    """Return the directory that holds `model`: "embedded", a directory, or a hub id (optionally id@revision).

    A hub id is downloaded once, or taken from the local cache when the hub cannot be reached. With `weights`, the
    directory must hold safetensors weights; pickled checkpoints are never read. Raises UserError.
    """
    if model == "embedded":
        folder = micro_bert_dir()
    elif Path(model).expanduser().is_dir():
        folder = Path(model).expanduser()
    elif Path(model).exists() or model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise UserError(
            f"model: there is no directory {model!r}; give one with config.json and model.safetensors, a hub id or "
            "'embedded'"
        )
    else:
        folder = _hub_dir(model)
    _check(model, folder, weights)
    return folder


def model_name(model: str) -> str:
    """A readable name of `model` that tells no place on this machine: a hub id, or the last part of a directory.

    A directory of the hub's cache gives its hub id; a last part such as "model" is shown with the one above it.
    """
    folder = Path(model).expanduser()
    if model == "embedded" or not folder.is_dir():
        return model if not folder.is_absolute() and not model.startswith((".", "~")) else folder.name
    parts = folder.resolve().parts[1:]
    for part in reversed(parts):
        if part.startswith("models--"):
            return part.removeprefix("models--").replace("--", "/")
    return "/".join(parts[-2:] if SAYS_NOTHING.fullmatch(parts[-1]) else parts[-1:])


def name_of_record(record: dict) -> str:
    """The model's name as a page shows it: a known model's public name, else what the record has."""
    source = record["source"]
    return KNOWN.get(record["inputs"].get("model", "")) or source.get("model_name") or source["model"]


@functools.cache
def _hub_dir(model: str) -> Path:
    """Return the local snapshot of a hub id; one look at the hub per process."""
    name, _, revision = model.partition("@")
    wanted = ["config.json", "*.safetensors", INDEX, "tokenizer.*.json", *TOKENIZER_FILES]
    what = f"model {model!r} is neither a directory here nor to be had from the Hugging Face hub"
    absent = what, "give a directory, a hub id or 'embedded'"
    return snapshot(name, revision or None, wanted, lambda folder: (folder / "config.json").exists(), absent)


def _check(model: str, folder: Path, weights: bool) -> None:
    """Raise UserError unless `folder` has a config.json and, where asked for, safetensors weights, all to be read.

    What is in them is looked at by transformers, see `load`.
    """
    files = _files_of(folder)
    if folder / "config.json" not in files:
        raise UserError(f"model {model!r} is not a model directory: {folder} has no config.json")
    for path in files:
        require_file(f"model {model!r}", path)
    shards = {path.name for path in files if path.suffix == ".safetensors"}
    if weights and not shards:
        raise UserError(
            f"model {model!r}: {folder} has no model.safetensors; pickled weights (pytorch_model.bin) are never "
            "loaded, as they can run code: convert them to model.safetensors first"
        )
    if WEIGHTS not in shards and (folder / INDEX).is_file():
        _check_index(model, folder / INDEX, shards)


def _check_index(model: str, index: Path, shards: set[str]) -> None:
    """Raise UserError unless the list of weight files names only `shards`, safetensors beside it."""
    require_file(f"model {model!r}", index)
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"model {model!r}: {index} is no list of weight files ({one_line(error, 200)})") from None
    for name in sorted(named - shards, key=str):
        raise UserError(
            f"model {model!r}: {index.name} names the weight file {name!r}; expected safetensors files beside it"
        )


def _files_of(folder: Path) -> list[Path]:
    """The files that make a model what it is, by name: configuration, tokenizer, weights; raises UserError."""
    with readable(folder):
        names = sorted(os.listdir(folder))
    known = ("config.json", *TOKENIZER_FILES)
    return [folder / n for n in names if n in known or n.endswith(".safetensors") or VERSIONED.fullmatch(n)]


def model_fingerprint(model: str) -> str:
    """Return the sha256 (64 hex digits) of a model's config, weights and tokenizer."""
    total = hashlib.sha256()
    for path in _files_of(model_dir(model)):
        stat = path.stat()
        digest = _file_hash(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        total.update(f"{path.name}\0{digest}\n".encode())
    return total.hexdigest()


@functools.cache
def _file_hash(path: str, size: int, mtime_ns: int, ctime_ns: int) -> str:
    """Return a file's sha256; size and times are in the key, so that a changed file is read again.

    The time of the last change of its entry is among them: a program can set the other, and some do.
    """
    return sha256(Path(path))
