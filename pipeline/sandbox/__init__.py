"""A simulated region: an archive in the form of HLS whose weather, soil and crops are coupled."""

from .archive import is_finished, simulate
from .spec import Site, WorldSpec
from .world import Season, SiteWorld, truth

__all__ = ["Season", "Site", "SiteWorld", "WorldSpec", "is_finished", "simulate", "truth"]
