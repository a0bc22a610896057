"""The page a person looks at: what a cube holds, and the results of runs on it.

`elements` the elements of a section · `drawing` style and colours · `view` the few pixels that are read ·
`overview`, `clear`, `scenes`, `weather`, `labels`, `static`, `ndvi`, `curves` the cube · `runs`, `forecast`,
`cropmap`, `cropmap_figures`, `evaluation` the runs · `page` puts them together · `plan` a page of its own.
"""

from .page import write_report

__all__ = ["write_report"]
