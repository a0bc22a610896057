"""The opening section: the main results, each with its interval and its command."""

from __future__ import annotations

from mmvsf.datasets.words import plural
from mmvsf.model.evaluation.core.names import PAPER, TREES, method_title
from mmvsf.model.evaluation.core.settings import CLAIM
from mmvsf.model.evaluation.forecasts.error_sums import ALL, Row
from mmvsf.model.evaluation.forecasts.eval_items import BASELINES
from mmvsf.model.evaluation.forecasts.weather_ablations import AS_IT_IS, OTHER_GAPS
from mmvsf.model.metrics import ALL_LEADS

from .claims import LEAST_YEARS
from .compare import Interval, difference, over_seeds, pick, relative_gain
from .crop_methods import CLASSIFIERS, OURS, Method, rows_of, title
from .crop_scores import f1_difference, interval_text
from .crops import Setting, best_of, methods_of_all_years, settings_of
from .results_table import YEARS, ResultsTable, share_text
from .sections import TextSection, TextTable

ASKED = ("(a)", "(b)", "(d)")
"""The settings whose crop maps open the page."""
PRETRAINED = ("(c)", "(d)")
"""Those in which the pretrained encoder is compared with an untrained one: with all labels, and with few."""
UNTRAINED: Method = ("frozen", "untrained", "encoder")


def takeaways(results: ResultsTable) -> TextSection | None:
    """The figures that the results have; None where they have none."""
    settings = settings_of(results)
    rows = [_opponents(results.rows, setting) for setting in settings if setting.title.startswith(ASKED)]
    rows += [_pretraining(results.rows, setting) for setting in settings if setting.title.startswith(PRETRAINED)]
    forecasts = pick(results.rows, piece="forecast", set=YEARS, variable="mean", cover=ALL)
    for part, where in zip(YEARS, ("at known places", "at new places"), strict=True):
        these = pick(forecasts, set=part)
        rows += [
            _forecast(these, "sm-vsf", f"Forecasts in a new year {where}: does the weather help?"),
            _forecast(these, _best(these), f"Forecasts in a new year {where}: better than the best simple forecast?"),
        ]
    rows += [_forecast(forecasts, PAPER, "Is our network better than the paper's?"), *_control(results.control_rows)]
    body = [row for row in rows if row is not None]
    if not body:
        return None
    text = (
        "Each line is computed from the tables below; intervals are 95 %, over years and places. An answer is given"
        f" if the interval excludes zero and covers at least {LEAST_YEARS} held-out years. All by `{results.command}`."
    )
    head = ["question", "answer", "figure"]
    return TextSection("What to take away", text, [TextTable("Main results", head, body)])


def _opponents(rows: list[Row], setting: Setting) -> list[str] | None:
    """MM-VSF beside the best classifier of single pixels."""
    selected = pick(rows, **setting.answer)
    question = f"Crop maps, {setting.title}: is MM-VSF better than the best classifier of pixels?"
    tried = methods_of_all_years(selected)
    ours, other = (best_of(selected, [each for each in group if each in tried]) for group in (OURS, CLASSIFIERS))
    return _crops(selected, setting, ours, other, question)


def _pretraining(rows: list[Row], setting: Setting) -> list[str] | None:
    """A head on the pretrained encoder beside one on random weights."""
    question = f"Crop maps, {setting.title}: does pretraining help?"
    return _crops(pick(rows, **setting.answer), setting, OURS[0], UNTRAINED, question)


def _crops(
    rows: list[Row], setting: Setting, ours: Method | None, other: Method | None, question: str
) -> list[str] | None:
    if ours is None or other is None:
        return None
    gain = f1_difference(rows_of(rows, ours), rows_of(rows, other))
    if gain is None:
        return None
    figure = f"mean F1 of {title(ours)} less that of {title(other)}, {setting.main}: {interval_text(gain)}"
    return [question, _answer(gain), figure]


def _forecast(rows: list[Row], other: str | None, question: str) -> list[str] | None:
    if other is None:
        return None
    pair = pick(rows, method=other), pick(rows, method="mm-vsf")
    gain = relative_gain(*pair) if all(pair) else None
    if gain is None:
        return None
    return [
        question,
        _answer(gain),
        f"share of the error of {method_title(other)} that MM-VSF avoids: {share_text(gain)}",
    ]


def _best(rows: list[Row]) -> str | None:
    """The simple forecast with the lowest error."""
    scores = {name: score for name in (*BASELINES, *TREES) if (score := over_seeds(pick(rows, method=name), "mse"))}
    return min(scores, key=lambda name: scores[name].mean) if scores else None


def _control(rows: list[Row]) -> list[list[str]]:
    """The gain from weather where it has no effect: of the weather in the gap, which tells nothing there, and of all
    weather, which tells the climate of a place."""
    questions = (
        ("Where weather has no effect: does the weather of the gap help?", "weather", OTHER_GAPS, AS_IT_IS,
         "error of MM-VSF with other years' weather in the gap minus that with the real weather"),
        ("Where weather has no effect: does a network with weather forecast better, as it knows the climate?",
         "forecast", *CLAIM, "error of SM-VSF minus that of MM-VSF"),
    )  # fmt: skip
    answers = []
    for question, piece, first, second, words in questions:
        selected = pick(rows, piece=piece, set=YEARS, variable="mean", cover=ALL)
        gain = difference(pick(selected, method=first), pick(selected, method=second))
        if gain is not None:
            answers.append([question, _answer(gain), f"{words}, {ALL_LEADS} leads: {gain.text()}"])
    return answers


def _answer(gain: Interval) -> str:
    if gain.years < LEAST_YEARS:
        return f"not decided: {plural(gain.years, 'year')}"
    if not gain.excludes_zero:
        return "not decided"
    return "yes" if gain.value > 0 else "no: worse"
