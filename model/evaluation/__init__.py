"""Tests the paper's claims with one plan of small pieces, each of which is done once and kept.

Folders from the lowest to the highest: `core` settings, the runner of pieces and the training of networks ·
`forecasts`, `crops` the pieces and their work · `results` tables and pages from their rows. On top, `plan` puts the
pieces in order and `command` runs them.
"""
