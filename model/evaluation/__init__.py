"""Are the paper's claims so? One plan of small pieces, each of which is resumed where it was stopped.

`settings` how large it is · `plan` which pieces there are · `runner` does those not yet done · `items` what is judged,
and forecasts that learn nothing · `tally` errors that can be added up · `training`, `forecasts`, `weather`, `missing`,
`crops` what the pieces do · `compare` intervals and shares · `results`, `document` tables and pages.
"""
