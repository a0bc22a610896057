"""The base class of a recipe's sections, which refuses unknown keys, and the wording of its errors."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

WORDING: dict[tuple[str, ...], str] = {
    ("missing",): "missing; add it",
    ("literal_error",): "takes {expected}; found {found}",
    ("int_parsing", "int_type", "int_from_float"): "takes a whole number; found {found}",
    ("float_parsing", "float_type", "finite_number"): "takes a number; found {found}",
    ("bool_parsing", "bool_type"): "takes true or false; found {found}",
    ("string_too_long",): "takes at most {max_length} characters; found {found}",
    ("string_type",): "takes text; found {found} (quotes make text of a number)",
    ("string_pattern_mismatch",): "does not match {pattern}; found {found}",
    ("greater_than_equal",): "must be at least {ge:g}; found {found}",
    ("greater_than",): "must be greater than {gt:g}; found {found}",
    ("less_than_equal",): "must be at most {le:g}; found {found}",
    ("less_than",): "must be less than {lt:g}; found {found}",
    ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"): (
        "takes a date that exists, YYYY-MM-DD; found {found}"
    ),
    ("tuple_type", "list_type"): "takes a list, [one, two]; found {found}",
    ("too_short",): "needs at least {min_length}; found {actual_length}",
    ("too_long",): "takes at most {max_length}; found {actual_length}",
    ("model_type", "dict_type"): "takes indented lines, `key: value`; found {found}",
}
"""Types of errors (docs.pydantic.dev, validation errors) -> their message."""


def _without_control_characters(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text):
        raise ValueError(f"takes one line without control characters; found {_shown(text)}")
    return text


OneLine = Annotated[str, Field(max_length=200), AfterValidator(_without_control_characters)]
"""Text that is shown in tables, pages and metadata."""


SEPARATOR = "\n"
"""Between the messages of a validator that finds several things wrong."""


def _shown(value: Any, *, quoted: bool = True) -> str:
    """A value of a recipe for an error: short, and without the digits of a number that nobody can read."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    if isinstance(value, (dict, list, tuple, set)) and len(value) > 12:
        return f"{len(value)} entries"
    try:
        text = str(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"
    text = text if len(text) <= 80 else f"{text[:79]}…"
    return f"'{text}'" if quoted and isinstance(value, str) else text


class RecipeModel(BaseModel):
    """A section of a recipe. The docstring under a key is its meaning, which errors quote."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def problems(error: ValidationError, recipe: type[BaseModel]) -> list[str]:
    """All that is wrong with a recipe: each key, what is wrong with it, and what it means."""
    items = error.errors()
    # For a list with a wrong member pydantic also reports that it is too short.
    outer = {item["loc"][:size] for item in items for size in range(len(item["loc"]))}
    return [text for item in items if item["loc"] not in outer for text in _explain(item, recipe)]


def _explain(item: ErrorDetails, recipe: type[BaseModel]) -> list[str]:
    # pydantic adds parts of its own for validators and for the members of a union: function-wrap[...], dict[...].
    location = [part for part in item["loc"] if not (isinstance(part, str) and "[" in part)]
    where = _shown(".".join(str(part) for part in location) or "recipe", quoted=False)
    model, meaning = _innermost(recipe, [part for part in location if isinstance(part, str)])
    if item["type"] == "extra_forbidden":
        return [f"{where}: unknown key; remove it or use one of {', '.join(_keys(model))}"]
    hint = f" ({' '.join(meaning.split())})" if meaning else ""
    return [f"{where}: {text}{hint}" for text in _message(item).split(SEPARATOR)]


def _innermost(recipe: type[BaseModel], keys: list[str]) -> tuple[type[BaseModel], str]:
    """(the innermost section that the keys lead into, the meaning of the last key that has one)."""
    model, meaning = recipe, ""
    for key in keys:
        field = _keys(model).get(key)
        if field is None:
            break
        meaning = field.description or meaning
        model = _section_in(field.annotation) or model
    return model, meaning


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a section by their keys in a recipe."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _message(item: ErrorDetails) -> str:
    """What is wrong, in the words of recipes."""
    wording = next((text for kinds, text in WORDING.items() if item["type"] in kinds), None)
    if wording is not None:
        value = item["input"]
        return wording.format(**item.get("ctx", {}), found=_shown(value))
    message = str(item["msg"]).removeprefix("Value error, ")
    return message if message[1:2].isupper() else f"{message[:1].lower()}{message[1:]}"


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The recipe section inside an annotation such as `Labels | None` or `tuple[SitePoint, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (section := _section_in(inner)) is not None:
            return section
    return None
