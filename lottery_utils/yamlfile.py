"""Reading a YAML description: a mapping of a few lines, none of its keys twice; what is no plain number is a text."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from .disk import readable, require_file
from .errors import UserError, shown

LONGEST = 1_000_000  # bytes: more is no description
# what is no text; YAML 1.1 would read 010 as 8, 1:30 as 90, 1_0 as 10, and yes, no, on and off as truth values
PLAIN = {
    "int": r"[-+]?(0|[1-9]\d{0,17})",
    "float": r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?|[-+]?\.inf",
    "null": r"~|null|",
    "merge": r"<<",
}


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
        content = _loader()(text).get_single_data()
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
    return content


@cache
def _loader() -> type:
    """PyYAML's safe loader, which knows `PLAIN` only and refuses a key that is there twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            seen = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    problem = f"key {shown(key.value)} is there twice; keep one of them"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    for kind, pattern in PLAIN.items():
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(rf"(?:{pattern})\Z"), None)
    return Loader
