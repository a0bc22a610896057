"""Where data comes from: one module a source, each behind the protocols in `protocols`."""
