"""SM-VSF and MM-VSF side by side on a cube that is too small for `mmvsf evaluate`, such as one of a single patch.

    python -m tests.real_patch tests/recipes/flanders-2018.yaml --seeds 3

runs the command line as a person would: builds the cube, pretrains under both objectives with several seeds, and prints
the forecast errors of the places held out by days ahead, mean and standard deviation over the seeds. The year is not
held out, so a network may have learned it by heart, weather and all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = {"sm-vsf": "SM-VSF", "mm-vsf": "MM-VSF"}
Errors = dict[tuple[str, str, str], list[float]]
"""(variable, method, days ahead) -> mean squared errors, one a seed"""


def mmvsf(*arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name("mmvsf"), *arguments], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a recipe, or the path of one")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    given = parser.parse_args()
    errors: Errors = {}
    with tempfile.TemporaryDirectory() as temporary:
        data = f"--data-dir={temporary}/data"
        mmvsf("dataset", given.recipe, data)
        for objective in NAMES:
            for seed in range(given.seeds):
                runs = Path(temporary, objective, str(seed))
                mmvsf("pretrain", given.recipe, data, f"--runs-dir={runs}", f"--objective={objective}",
                      f"--seed={seed}", f"--steps={given.steps}")  # fmt: skip
                for path in runs.glob("*/pretrain/metrics.json"):
                    collect(json.loads(path.read_text(encoding="utf-8"))["forecast"], NAMES[objective], errors)
    for variable in ("mean", "ndvi"):
        show(variable, errors)


def collect(rows: list[dict[str, object]], name: str, errors: Errors) -> None:
    """Add the scores of one training; those of what learns nothing come again with every seed."""
    for row in rows:
        if row["set"] == "new_place":
            method = name if row["method"] == "mmvsf" else str(row["method"])
            errors.setdefault((str(row["variable"]), method, str(row["lead"])), []).append(float(str(row["mse"])))


def show(variable: str, errors: Errors) -> None:
    leads = sorted(
        {lead for own, _, lead in errors if own == variable}, key=lambda lead: (lead == "all", lead.zfill(5))
    )
    print(f"\nmean squared error, new place, {variable}\n{'':14s}" + "".join(f"{lead:>18s}" for lead in leads))
    for method in dict.fromkeys(method for own, method, _ in errors if own == variable):
        cells = []
        for lead in leads:
            values = errors[variable, method, lead]
            cells.append(f"{statistics.mean(values):.4f} ± {statistics.pstdev(values):.4f}")
        print(f"{method:14s}" + "".join(f"{cell:>18s}" for cell in cells))


if __name__ == "__main__":
    main()
