"""The commands that make cubes and inspect them."""

from .build import app

__all__ = ["app"]
