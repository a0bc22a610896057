"""Who takes part in a race of builds."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace

from .archive import Race


@dataclass(frozen=True)
class Contender:
    """Who builds, and how."""

    name: str
    script: str = ""
    """empty: this project's own command"""
    style: str = ""
    threads: int = 2
    python: str = sys.executable
    lacks: str = ""
    """what it does not do that this project does"""


FIRST_VALID = "takes the first valid pixel of a day, not the clearest"

OURS = (Contender("mmvsf, 1 worker", threads=1), Contender("mmvsf, 2 workers"))
PEERS = (
    Contender("odc-stac by date, 2 threads", "odc_stac", "date", lacks=FIRST_VALID),
    Contender("odc-stac by window, 2 threads", "odc_stac", "window", lacks=FIRST_VALID),
    Contender("odc-stac by date, Dask cluster of 2", "odc_stac", "cluster", lacks=FIRST_VALID),
    Contender("stackstac, 2 threads", "stackstac_items", lacks="does not join the scenes of a day"),
)
BOUNDS = (
    Contender("rasterio + tensorstore, 2 processes", "prototype", "write", lacks="own grid of the scenes only"),
    Contender("decoding alone, 2 processes", "prototype", "decode", lacks="writes nothing"),
)


@dataclass(frozen=True)
class Choice:
    """What of a race is run."""

    repeats: int
    names: str = ""
    """a regular expression that the names of its contenders hold"""
    stackstac: str | None = None
    """a Python that has it, which this project does not install"""


def contenders(race: Race, network: bool, choice: Choice) -> list[Contender]:
    """Who takes part."""
    chosen = [*OURS, *PEERS, *(BOUNDS if race.name == "own" and not network else ())]
    if network:
        many = Contender("odc-stac by date, 16 threads", "odc_stac", "date", 16, lacks=FIRST_VALID)
        chosen = [*OURS, PEERS[0], many]
    with_python = (
        replace(who, python=choice.stackstac or "") if who.script.startswith("stackstac") else who for who in chosen
    )
    return [who for who in with_python if who.python and re.search(choice.names, who.name)]
