"""The titles of held-out sets and methods in tables and pictures."""

from __future__ import annotations

SETS = {"new_year": "new year", "new_place": "new place", "both": "new place and year"}
CONTEXTFORMER, CONVLSTM = "contextformer", "convlstm"
RIVALS = (CONTEXTFORMER, CONVLSTM)
"""Other networks that forecast, trained on the same batches."""
PAPER = "paper"
TREES = {
    "trees": "boosted trees, no weather",
    "trees-past": "boosted trees, weather to the origin",
    "trees-all": "boosted trees, weather to the target",
}
"""Of forecasts."""
WITH_USUAL = "mm-vsf-climatology"
METHODS = {
    "untrained": "untrained encoder",
    "sm-mae": "SM-MAE",
    "mm-mae": "MM-MAE",
    "sm-vsf": "SM-VSF",
    "mm-vsf": "MM-VSF",
    "kg-vsf": "KG-VSF",
    CONTEXTFORMER: "small Contextformer",
    CONVLSTM: "ConvLSTM",
    PAPER: "the paper's network",
    "recurrent": "MM-VSF with a recurrent network for weather",
    "patches": "MM-VSF with patches of 4 pixels and attention between them",
    "squares": "MM-VSF with the squared error as its loss",
    "no-agreement": "MM-VSF without agreement of two halves of the images",
    "no-degree-days": "MM-VSF without degree-days and sums",
    "no-copy": "MM-VSF without the last clear value",
    "site": "MM-VSF with static layers and the length of the day",
    "high-masking": "MM-VSF with three quarters of the pixels hidden",
    **TREES,
    WITH_USUAL: "mean of MM-VSF and climatology",
}


def method_title(method: str) -> str:
    """The paper's name of a method, with whatever follows it after a comma."""
    for key, title in METHODS.items():
        if method == key or method.startswith(f"{key},"):
            return title + method[len(key) :]
    return method
