"""Reading a YAML description: a mapping of a few lines, none of its keys twice, no number that YAML reads otherwise."""

from __future__ import annotations

import re
from pathlib import Path

from .disk import readable, require_file
from .errors import UserError, shown

LONGEST = 1_000_000  # bytes: more is no description
# 010 is 8 in YAML, 1:30 is 90, 1_0 is 10
PLAIN = {"int": re.compile(r"[-+]?(0|[1-9]\d*)"), "float": re.compile(r"[^:_]+")}


def read_mapping(path: Path, keys: tuple[str, ...]) -> dict:
    """The mapping in a YAML file, which should have some of `keys`.

    Raises UserError, one line, for what is missing, no UTF-8, no YAML, no mapping, too long, or names a key twice.
    """
    import yaml

    if not path.exists():
        raise UserError(f"task description {path} does not exist; expected a YAML file, see the page on your own task")
    require_file("task description", path)
    try:
        with readable(path):
            if path.stat().st_size > LONGEST:
                raise UserError(f"{path}: expected a description of a few lines, got {path.stat().st_size:,} bytes")
            text = path.read_text(encoding="utf-8-sig")
        problem = _misread(yaml.compose(text, Loader=yaml.SafeLoader))
        content = yaml.safe_load(text)
    except UserError:
        raise
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected UTF-8, got byte {error.object[error.start]:#04x}; convert it") from error
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError) as error:
        # the last two: a tag such as !!bool or !!timestamp on what is none
        reason = " ".join(str(error).split())[:160] or "nested too deeply"
        raise UserError(f"{path}: is no valid YAML ({reason}); correct it") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping with the keys {', '.join(keys)}, got {shown(content)}")
    if problem:
        raise UserError(f"{path}: {problem}")
    return content


def _misread(root) -> str:
    """What in a YAML tree is read otherwise than meant, and in what line: of a double key only the last would count."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))  # an alias leads to the same node again
        if isinstance(node.value, str):
            kind = node.tag.rpartition(":")[2]
            if kind in PLAIN and not PLAIN[kind].fullmatch(node.value):
                return f"line {node.start_mark.line + 1}: YAML reads {shown(node.value)} as another number; quote it"
            continue
        keys = [child[0] for child in node.value if isinstance(child, tuple)]
        names = [key.value for key in keys]
        for number, key in enumerate(keys):
            if isinstance(key.value, str) and key.value in names[:number]:
                return f"line {key.start_mark.line + 1}: key {shown(key.value)} is there twice; keep one of them"
        waiting += [part for child in node.value for part in (child if isinstance(child, tuple) else (child,))]
    return ""
