"""Reading a YAML description, its scalars as texts: in YAML 1.1, 010 would be 8, 1:30 would be 90, and off false."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from .disk import readable, require_file
from .errors import UserError, one_line, shown


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which knows of no numbers and truth values and refuses a key that is there twice."""

    yaml_implicit_resolvers = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """A mapping as a dict."""
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"key {shown(key.value)} is there twice; keep one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)\Z"), None)
Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<\Z"), None)


def read_yaml(path: Path):
    """What a YAML file holds; raises UserError for what is missing, no UTF-8 or no YAML, or names a key twice."""
    if not path.exists():
        raise UserError(f"task description {path} does not exist; expected a YAML file, see the page on your own task")
    require_file("task description", path)
    with readable(path):
        content = path.read_bytes()
    try:
        return Loader(content.decode("utf-8-sig")).get_single_data()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected UTF-8, got byte {error.object[error.start]:#04x}; convert it") from error
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        # the last three: a tag such as !!int, !!bool or !!timestamp on what is none
        raise UserError(f"{path}: is no valid YAML ({one_line(error, 160)}); correct it") from error
