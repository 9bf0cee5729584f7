"""Which files a model name stands for, and the fingerprint of their content; needs neither torch nor transformers."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from pathlib import Path

from ..demo.files import micro_bert_dir
from ..disk import readable, require_file
from ..errors import UserError, one_line
from ..hub import snapshot

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model",
    "bpe.codes", "vocab.bpe", "spm.model", "sentencepiece.model", "tokenizer.model", "source.spm", "target.spm",
)  # fmt: skip
KNOWN = {  # public models by fingerprint: where a record's model lay on some machine says little
    "ba25ff2953a386750c47619622ca058294bc32e317704056b53259063c735e63": "sentence-transformers/all-MiniLM-L6-v2",
    "ae969a9d77241e2a73d66ccdaf0ab25da88a987139d7f67805886e820d47a1f2": "sentence-transformers/all-mpnet-base-v2",
}
SAYS_NOTHING = re.compile(r"(model|weights|checkpoint|final|best|hf|v?\d+)([-_.]?\d+)?|[0-9a-f]{40}", re.IGNORECASE)
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")


def model_dir(model: str, weights: bool = True) -> Path:
    """Return the directory that holds `model`: "embedded", a directory, or a hub id (optionally id@revision).

    A hub id is downloaded once, or taken from the local cache when the hub cannot be reached. With `weights`, the
    directory must hold safetensors weights; pickled checkpoints are never read. Raises UserError.
    """
    if model == "embedded":
        folder = micro_bert_dir()
    elif Path(model).expanduser().is_dir():
        folder = Path(model).expanduser()
    elif Path(model).exists():
        raise UserError(f"model {model!r} is a file; expected a directory with config.json and model.safetensors")
    elif model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise UserError(f"model directory {model!r} does not exist; give a directory, a hub id or 'embedded'")
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
    wanted = ["config.json", "*.safetensors", INDEX, *TOKENIZER_FILES]
    try:
        return snapshot(name, revision or None, wanted, lambda folder: (folder / "config.json").exists())
    except UserError as error:
        raise UserError(
            f"model {model!r} is neither a directory here nor to be had from the Hugging Face hub ({error}); give a "
            "directory, a hub id or 'embedded'"
        ) from None


def _check(model: str, folder: Path, weights: bool) -> None:
    """Raise UserError unless `folder` has a readable config.json and, where asked for, safetensors weights."""
    files, config = _files_of(folder), folder / "config.json"
    if config not in files:
        raise UserError(f"model {model!r} is not a model directory: {folder} has no config.json")
    for path in files:
        require_file(f"model {model!r}", path)
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"model {model!r}: {config} is not readable JSON ({one_line(error, 200)})") from error
    if not isinstance(content, dict) or not isinstance(content.get("model_type"), str):
        raise UserError(f"model {model!r}: {config} names no model_type; expected a transformers configuration")
    _refuse_code(model, content, config)
    if (tokenizer := folder / "tokenizer_config.json").is_file():
        _refuse_code(model, _json(tokenizer), tokenizer)
    _refuse_strange_shards(model, folder)
    if not weights or any(folder.glob("*.safetensors")):
        return
    pickled = [p.name for pattern in PICKLES for p in folder.glob(pattern)]
    if pickled:
        raise UserError(
            f"model {model!r} has only pickled weights ({pickled[0]}), which are never loaded because they can run "
            f"code; convert them to model.safetensors first"
        )
    raise UserError(f"model {model!r}: {folder} has no model.safetensors; expected the weights beside config.json")


def _files_of(folder: Path) -> list[Path]:
    """The files that make a model what it is, by name: configuration, tokenizer, weights; raises UserError."""
    with readable(folder):
        names = sorted(os.listdir(folder))
    return [folder / n for n in names if n in ("config.json", *TOKENIZER_FILES) or n.endswith(".safetensors")]


def _refuse_code(model: str, content, path: Path) -> None:
    """Raise UserError when a configuration asks for Python code of its own, for which transformers would ask back."""
    if isinstance(content, dict) and "auto_map" in content:
        raise UserError(
            f"model {model!r}: {path.name} asks for code of its own (auto_map), which is never run; give a checkpoint "
            "of a family that transformers knows"
        )


def _refuse_strange_shards(model: str, folder: Path) -> None:
    """Raise UserError when the list of weight files, where it is the one used, names others than safetensors beside it.

    Lists of other formats, and any list beside a whole `model.safetensors`, are not read.
    """
    index = folder / INDEX
    if (folder / WEIGHTS).exists() or not index.exists():
        return
    content = _json(index)
    names = content.get("weight_map") if isinstance(content, dict) else None
    names = set(map(str, names.values())) if isinstance(names, dict) else {""}
    for name in sorted(names):
        if name != Path(name).name or not name.endswith(".safetensors"):
            raise UserError(
                f"model {model!r}: {index.name} names the weight file {name!r}; expected safetensors files beside it"
            )


def _json(path: Path):
    """The content of a JSON file, None when it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


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
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
