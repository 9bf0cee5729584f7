"""Reading a YAML description: a mapping of a few lines, none of its keys twice."""

from __future__ import annotations

from pathlib import Path

from .errors import UserError, shown

LONGEST = 1_000_000  # bytes: more is no description


def read_mapping(path: Path, keys: tuple[str, ...]) -> dict:
    """The mapping in a YAML file, which should have some of `keys`.

    Raises UserError, one line, for what is missing, no UTF-8, no YAML, no mapping, too long, or names a key twice.
    """
    import yaml

    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise UserError(f"task description {path} {what}; expected a YAML file, see the page on your own task")
    try:
        if path.stat().st_size > LONGEST:
            raise UserError(f"{path}: expected a description of a few lines, got {path.stat().st_size:,} bytes")
        text = path.read_text(encoding="utf-8-sig")
        twice = _double_key(yaml.compose(text, Loader=yaml.SafeLoader))
        content = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected UTF-8, got byte {error.object[error.start]:#04x}; convert it") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError) as error:
        # the last two: a tag such as !!bool or !!timestamp on what is none
        reason = " ".join(str(error).split())[:160] or "nested too deeply"
        raise UserError(f"{path}: is no valid YAML ({reason}); correct it") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping with the keys {', '.join(keys)}, got {shown(content)}")
    if twice:
        raise UserError(f"{path}: {twice}; keep one of them")
    return content


def _double_key(root) -> str:
    """Which key of a YAML tree is there twice, and in what line; YAML itself keeps the last without a word."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen or isinstance(node.value, str):
            continue
        seen.add(id(node))  # an alias leads to the same node again
        keys = set()
        for child in node.value:
            if not isinstance(child, tuple):
                waiting.append(child)
                continue
            key, value = child
            if isinstance(key.value, str):
                if key.value in keys:
                    return f"line {key.start_mark.line + 1}: key {shown(key.value)} is there twice"
                keys.add(key.value)
            waiting += [key, value]
    return ""
