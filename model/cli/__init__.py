"""The commands of the model. Torch is imported only when one runs."""

import typer

from . import answer, apply, convert, forecast, regress, train

app = typer.Typer(no_args_is_help=True)
for part in (train.app, regress.app, apply.app, forecast.app, convert.app, answer.app):
    app.add_typer(part)
