"""The commands that make cubes and ask them."""

from .build import app

__all__ = ["app"]
