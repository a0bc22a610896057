"""A simulated region: an archive in the format of HLS whose weather, soil and crops are coupled."""

from .archive import is_finished, simulate
from .spec import Site, WorldSpec
from .world import SimulatedSeason, SiteWorld, truth

__all__ = ["SimulatedSeason", "Site", "SiteWorld", "WorldSpec", "is_finished", "simulate", "truth"]
