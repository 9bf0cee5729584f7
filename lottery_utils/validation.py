"""Checks of settings by pydantic, which is imported when the first is made: the command starts without.

A frozen dataclass says beside each field what it takes: its type, and in `Annotated` bounds of `annotated_types`, rules
and conversions; its `__pydantic_config__` is `STRICT`, so that "3" is no number and True none either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .errors import UserError, shown

if TYPE_CHECKING:
    from pydantic import ValidationError

STRICT = {"strict": True, "allow_inf_nan": False}
AROUND = re.compile(r"^\w+ should | after validation, not .*$")  # what in a line of pydantic's is not ours


@dataclass(frozen=True)
class Rule:
    """A check that no type says: `check` gets the field's name and value, and raises UserError with the whole line."""

    check: Callable[[str, Any], object]

    def __get_pydantic_core_schema__(self, source, handler):
        from pydantic import AfterValidator, ValidationInfo

        def apply(value, info: ValidationInfo):
            self.check(info.field_name, value)
            return value

        return AfterValidator(apply).__get_pydantic_core_schema__(source, handler)


def must(expected: str, holds: Callable[[Any], object]) -> Rule:
    """A rule whose line says what was expected: a value must `expected`."""

    def check(field: str, value) -> None:
        if not holds(value):
            raise UserError(f"{field} must {expected}, got {shown(_as_given(value))}")

    return Rule(check)


@dataclass(frozen=True)
class Converted:
    """What a field makes of a value before it is checked."""

    convert: Callable[[Any], object]

    def __get_pydantic_core_schema__(self, source, handler):
        from pydantic import BeforeValidator

        return BeforeValidator(self.convert).__get_pydantic_core_schema__(source, handler)


def checked(kind: type, content: Mapping[str, Any], where: str = "") -> Any:
    """A dataclass of fields `kind` made of `content`; lists count as tuples, and nothing else is converted.

    Raises UserError, one line that starts with `where`, for a missing field or a value it does not take.
    """
    from pydantic import ValidationError

    try:
        valid = _strict(kind)(**{k: tuple(v) if isinstance(v, list) else v for k, v in content.items()})
    except ValidationError as error:
        raise UserError(where + problem(error)) from None
    return kind(**{name: getattr(valid, name) for name in kind.__dataclass_fields__})


@lru_cache
def _strict(kind: type) -> type:
    """A subclass of `kind` that pydantic checks when one is made."""
    from pydantic import dataclasses

    return dataclasses.dataclass(kind, frozen=True)


def problem(error: ValidationError) -> str:
    """The first problem that pydantic found, in our words: the field, what was expected, what was got."""
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    if isinstance(context.get("error"), UserError):
        return str(context["error"])
    field, *item = first["loc"]
    place = f", item {item[0] + 1}," if item and isinstance(item[0], int) else ""
    if first["type"] == "missing":
        return f"{field}{place} is missing; give it"
    must = AROUND.sub("", first["msg"]).replace("a valid tuple", "a list")
    is_text = first["type"] in ("float_type", "int_type") and isinstance(first["input"], str)
    hint = "; it is a text: write a number without quotes as JSON has it, 0.1, or in YAML 2.0e-5" if is_text else ""
    return f"{field}{place} must {must}, got {shown(_as_given(first['input']))}{hint}"


def _as_given(value):
    return list(value) if isinstance(value, tuple) else value
