"""The benefit of each of our additions to the paper's network."""

from __future__ import annotations

from mmvsf.model.evaluation.core.names import PAPER, method_title
from mmvsf.model.evaluation.core.variants import ABLATIONS, HIGH_MASKING, OPTIONAL
from mmvsf.model.evaluation.forecasts.error_sums import ALL

from .compare import difference, pick, relative_gain
from .results_table import YEARS, ResultsTable, share_text
from .sections import TextSection, TextTable


def additions_section(results: ResultsTable) -> TextSection | None:
    """MM-VSF beside variants without one of its additions, and beside the paper's network; None without rows."""
    first = tuple(results.full_years[:1])
    base = pick(results.rows, piece="forecast", set=YEARS, cover=ALL, held_out=first, seed=0)
    body = []
    for variant in (PAPER, *ABLATIONS, *OPTIONAL):
        cells = [method_title(variant)]
        for name, digits in (("mean", 3), ("ndvi", 4)):
            selected = pick(base, variable=name)
            pair = pick(selected, method=variant), pick(selected, method="mm-vsf")
            gain, share = (compare(*pair) if all(pair) else None for compare in (difference, relative_gain))
            cells += ["–", "–"] if gain is None or share is None else [gain.text(digits), share_text(share)]
        if set(cells[1:]) != {"–"}:
            body.append(cells)
    if not body:
        return None
    text = (
        "Error of each variant minus that of MM-VSF, as above; above zero the variant is worse. There is"
        f" one training run each, with one year held out ({', '.join(map(str, first))}), so the intervals include"
        " neither the variation between years nor the randomness of training. The paper's network is `--size paper`:"
        " wide, with patches of 8 pixels, without the last clear value and degree-days, with a recurrent network for"
        f" weather and the squared error, and trained with {HIGH_MASKING:.0%} of the patches hidden, on windows of 32"
        " pixels and on as many pixels as ours."
    )
    head = ["variant", "all bands", "share of its error", "NDVI", "share of its error"]
    return TextSection("What our additions are worth", text, [TextTable("Forecasts, all leads", head, body)])
