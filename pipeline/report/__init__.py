"""The page a person looks at: what a cube holds, and what runs on it left on disk.

`elements` what a section is made of · `drawing` style and colours · `sample` the few pixels that are read ·
`place`, `clear`, `scenes`, `weather`, `labels`, `curves` the cube · `runs`, `forecast`, `cropmap` the runs ·
`page` puts them together.
"""

from .page import write_report

__all__ = ["write_report"]
