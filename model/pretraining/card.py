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
from mmvsf.model.mmvsf.sizes import NetworkConfig

CARD = "README.md"
OURS = "mmvsf"
"""The method of the network's own scores in metrics.json"""
TEMPLATE = Path(__file__).with_name("model_card.md")


def write_model_card(
    folder: Path, cubes: Sequence[Cube], config: NetworkConfig, metrics: Mapping[str, Any], *, weather: bool
) -> Path:
    """Write the card beside the weights in `folder`; `metrics` is the content of metrics.json. Raises OSError where the
    disk refuses."""
    training = metrics["training"]
    mean = [row for row in metrics["forecast"] if (row["lead"], row["variable"]) == ("all", "mean")]
    methods = list(dict.fromkeys(row["method"] for row in mean))
    errors = {(row["set"], row["method"]): row["mse"] for row in mean}
    scores = [
        {"name": part.replace("_", " "), "values": [_shown(errors.get((part, method))) for method in methods]}
        for part in HELD_OUT
        if any(key[0] == part for key in errors)
    ]
    values = {
        "options": metrics["options"],
        "network": asdict(config),
        "training": training,
        "sees_weather": weather,
        "simulated": all(cube.region.simulate for cube in cubes),
        "digest": weights_digest(folder / WEIGHTS),
        "longest_lead": LONGEST_LEAD,
        "methods": methods,
        "scores": scores,
        "cubes": [
            {
                "name": cube.region.name,
                "title": cube.region.title,
                "digest": cube.digest,
                "windows": windows["train"],
                "terms": cube_licences(cube),
            }
            for cube, windows in zip(cubes, training["windows"], strict=True)
        ],
    }
    front: dict[str, Any] = {
        "library_name": "mmvsf",
        "license": "other",
        "license_name": "see-licence-and-attribution",
        "tags": [
            "earth-observation",
            "satellite-image-time-series",
            *(["weather"] if config.weather else []),
            "time-series-forecasting",
        ],
        "datasets": list(dict.fromkeys(cube.region.name for cube in cubes)),
    }
    if errors:
        front["model-index"] = [{"name": f"MM-VSF {cubes[0].region.name}", "results": model_index(cubes, errors)}]
    return write_card(folder / CARD, TEMPLATE, front, values)


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


def cube_licences(cube: Cube) -> list[str]:
    """The attribution and the licences of the sources that a cube names, each once."""
    texts = [cube.attributes.get("attribution", ""), *(s.get("licence") for s in cube.attributes.get("sources", ()))]
    return list(dict.fromkeys(text for text in texts if text)) or ["not stated"]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
