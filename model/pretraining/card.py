"""The card of a pretrained model: training data, intended use, scores, limits and licence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.loader import LONGEST_LEAD
from mmvsf.datasets.samples.windows import HELD_OUT
from mmvsf.datasets.sidecars.card import write_card
from mmvsf.model.mmvsf.checkpoint import WEIGHTS, weights_digest
from mmvsf.model.mmvsf.learned import Generation, cube_licences
from mmvsf.model.mmvsf.objectives import Objective
from mmvsf.model.mmvsf.sizes import NetworkConfig

CARD = "README.md"
OURS = "mmvsf"
"""The method of the network's own scores in metrics.json"""
TEMPLATE = Path(__file__).with_name("model_card.md")


def write_model_card(
    folder: Path,
    cubes: Sequence[Cube],
    config: NetworkConfig,
    metrics: Mapping[str, Any],
    objective: Objective,
    *,
    before: Sequence[Generation] = (),
) -> Path:
    """Write the card beside the weights in `folder`; `metrics` is the content of metrics.json, `before` the models that
    the training began from, newest first. Raises OSError where the disk refuses."""
    training = metrics["training"]
    mean = [row for row in metrics["forecast"] if (row["lead"], row["variable"]) == ("all", "mean")]
    methods = list(dict.fromkeys(row["method"] for row in mean))
    errors = {(row["set"], row["method"]): row["mse"] for row in mean}
    scores = [
        {"name": part.replace("_", " "), "values": [_shown(errors.get((part, method))) for method in methods]}
        for part in HELD_OUT
        if any(key[0] == part for key in errors)
    ]
    trained_on = [
        _cube(cube.digest, cube.region.name, cube.region.title, cube_licences(cube)) | {"windows": windows["train"]}
        for cube, windows in zip(cubes, training["windows"], strict=True)
    ]
    lineage = [{"digest": generation.weights_sha256, "cubes": _cubes(generation)} for generation in before]
    now = {cube["digest"] for cube in trained_on}
    earlier = {cube["digest"]: cube for generation in before for cube in _cubes(generation)}
    every_cube = [*trained_on, *(cube for digest, cube in earlier.items() if digest not in now)]
    held_out = metrics["start"]["held_out"].values() if metrics["start"] else ()
    values = {
        "options": metrics["options"],
        "network": asdict(config),
        "training": training,
        "objective": objective,
        "hidden": hidden_shares(objective),
        "simulated": all(cube.region.simulate for cube in cubes) and all(map(_is_simulated, before)),
        "digest": weights_digest(folder / WEIGHTS),
        "longest_lead": LONGEST_LEAD,
        "methods": methods,
        "scores": scores,
        "cubes": trained_on,
        "lineage": lineage,
        "every_cube": every_cube,
        "learned_windows": sum(sum(cube["learned"].values()) for cube in held_out),
    }
    front: dict[str, Any] = {
        "library_name": "mmvsf",
        "license": "other",
        "license_name": "see-licence-and-attribution",
        "tags": [
            "earth-observation",
            "satellite-image-time-series",
            *(["weather"] if config.weather else []),
            *(["time-series-forecasting"] if objective.forecasts else []),
        ],
        "datasets": list(dict.fromkeys(cube["name"] for cube in every_cube)),
    }
    if errors:
        front["model-index"] = [{"name": f"MM-VSF {cubes[0].region.name}", "results": model_index(cubes, errors)}]
    return write_card(folder / CARD, TEMPLATE, front, values)


def hidden_shares(objective: Objective) -> str:
    """What an objective hides in training, in words."""
    share = f"{100 * objective.mask_ratio:.0f} %"
    forecasting = f"{share} of the patches hidden"
    if not objective.reconstruct:
        return forecasting
    days = f" and {share} of the days of weather" if objective.reconstruct_weather else ""
    reconstructing = f"{100 * objective.reconstruct_ratio:.0f} % of the patches{days} hidden"
    return f"{reconstructing} at first, then {forecasting}" if objective.forecasts else reconstructing


def model_index(cubes: Sequence[Cube], errors: Mapping[tuple[str, str], float]) -> list[dict[str, Any]]:
    """The results of the network in the form of a model card's `model-index`, from errors by set and method
    (huggingface.co/docs/hub/model-cards)."""
    title, digest = "; ".join(cube.region.title for cube in cubes), "-".join(cube.digest for cube in cubes)
    return [
        {
            "task": {"type": "time-series-forecasting", "name": "forecast of satellite images"},
            "dataset": {"type": "mmvsf-cube", "name": title, "split": part, "revision": digest},
            "metrics": [{"type": "mse", "value": round(errors[part, OURS], 4), "name": "MSE, 1 = training variance"}],
        }
        for part in HELD_OUT
        if (part, OURS) in errors
    ]


def _cube(digest: str, name: str, title: str, terms: Sequence[str]) -> dict[str, Any]:
    return {"digest": digest, "name": name, "title": title, "terms": list(terms)}


def _cubes(generation: Generation) -> list[dict[str, Any]]:
    """The cubes of an earlier model, as far as it recorded them."""
    learned = generation.learned
    return [
        _cube(digest, name, learned[digest].title, learned[digest].terms)
        if digest in learned
        else _cube(digest, name, name, ["not recorded"])
        for digest, name in generation.cubes.items()
    ]


def _is_simulated(generation: Generation) -> bool:
    """Whether all that an earlier model was trained on is known to be simulated."""
    return all(digest in generation.learned and generation.learned[digest].world for digest in generation.cubes)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
