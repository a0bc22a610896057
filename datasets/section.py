"""What the sections of a recipe have in common: unknown keys are refused, and an error says what its line means."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Section(BaseModel):
    """A part of a recipe. The docstring under a key is its meaning, which errors quote."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def needs(section: str, source: str, given: dict[str, Any], needed: dict[str, set[str]]) -> None:
    """Raise ValueError unless exactly the options of a source are given; `needed`: option -> its sources."""
    for option, sources in needed.items():
        if source in sources and given[option] is None:
            raise ValueError(f"{section} with source '{source}' needs the line {option}")
        if source not in sources and given[option] is not None:
            raise ValueError(f"{option} is no option of {section} source '{source}'; remove the line")


def explained(error: ValidationError, recipe: type[BaseModel]) -> str:
    """All that is wrong with a recipe in one line: each key, what is wrong with it, and what it means."""
    return "; ".join(_explain(item, recipe) for item in error.errors())


def _explain(item: Any, recipe: type[BaseModel]) -> str:
    location = [part for part in item["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
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
    message = item["msg"].removeprefix("Value error, ")
    hint = f" ({meaning.split(chr(10))[0]})" if meaning else ""
    return f"{where}: {message[:1].lower()}{message[1:]}{hint}"


def _model_of(annotation: Any) -> Any:
    """The recipe section inside an annotation such as `Labels | None` or `tuple[SitePoint, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _model_of(inner)) is not None:
            return found
    return None
