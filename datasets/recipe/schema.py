"""What the sections of a recipe have in common: unknown keys are refused, and an error says what its line means."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

WORDING: dict[tuple[str, ...], str] = {
    ("missing",): "missing; add it",
    ("literal_error",): "takes {expected}; found {found}",
    ("int_parsing", "int_type", "int_from_float"): "takes a whole number; found {found}",
    ("float_parsing", "float_type", "finite_number"): "takes a number; found {found}",
    ("bool_parsing", "bool_type"): "takes true or false; found {found}",
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
    ("model_type", "dict_type"): "takes lines of its own, `key: value`; found {found}",
}
"""Kinds of errors (docs.pydantic.dev, validation errors) -> what is said of them."""


class RecipeModel(BaseModel):
    """A part of a recipe. The docstring under a key is its meaning, which errors quote."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def explained(error: ValidationError, recipe: type[BaseModel]) -> str:
    """All that is wrong with a recipe in one line: each key, what is wrong with it, and what it means."""
    found = error.errors()
    # Of a list with a wrong member pydantic also says that it is too short.
    inner = {item["loc"][:size] for item in found for size in range(len(item["loc"]))}
    return "; ".join(_explain(item, recipe) for item in found if item["loc"] not in inner)


def _explain(item: Any, recipe: type[BaseModel]) -> str:
    # pydantic adds parts of its own for validators and for the members of a union: function-wrap[...], dict[...].
    location = [part for part in item["loc"] if not (isinstance(part, str) and "[" in part)]
    where = ".".join(str(part) for part in location) or "recipe"
    model: Any = recipe
    meaning = ""
    for part in location:
        if not isinstance(part, str):
            continue
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            break
        meaning = field.description or meaning
        model = _model_of(field.annotation) or model
    if item["type"] == "extra_forbidden":
        known = ", ".join(getattr(model, "model_fields", {}))
        return f"{where}: unknown key; remove it or use one of {known}"
    hint = f" ({' '.join(meaning.split())})" if meaning else ""
    return f"{where}: {_said(item)}{hint}"


def _said(item: Any) -> str:
    """What is wrong, in the words of recipes."""
    known = next((text for kinds, text in WORDING.items() if item["type"] in kinds), None)
    if known is not None:
        value = item["input"]
        return known.format(**item.get("ctx", {}), found=f"'{value}'" if isinstance(value, str) else value)
    message = str(item["msg"]).removeprefix("Value error, ")
    return message if message[1:2].isupper() else f"{message[:1].lower()}{message[1:]}"


def _model_of(annotation: Any) -> Any:
    """The recipe section inside an annotation such as `Labels | None` or `tuple[SitePoint, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _model_of(inner)) is not None:
            return found
    return None
