"""Access to the ECMWF data stores: a free personal access token, from the environment or from ~/.cdsapirc."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.source import Requirement
from mmvsf.pipeline.sources.transport.endpoints import is_confidential
from mmvsf.pipeline.sources.transport.http import Bearer, keep_secret

VARIABLE = "CDSAPI_KEY"
"""As the official client `cdsapi` calls it, and `CDSAPI_RC` for the file."""
PROFILE = "https://cds.climate.copernicus.eu/profile"
HOW = f"log in at {PROFILE}, copy the API key, and set {VARIABLE} or write 'key: ...' to ~/.cdsapirc"


def requirements() -> tuple[Requirement, ...]:
    """The token, and where it was found."""
    if os.environ.get(VARIABLE, "").strip():
        return (Requirement("ECMWF data stores token", True, f"from {VARIABLE}"),)
    present = _from_file() is not None
    return (Requirement("ECMWF data stores token", present, "from ~/.cdsapirc" if present else HOW),)


def refused(dataset: str) -> str:
    """What to do where the token is refused for a data set of the Climate Data Store."""
    return (
        f"check the token ({HOW}), and accept the licence at"
        f" https://cds.climate.copernicus.eu/datasets/{dataset}?tab=download"
    )


def bearer(url: str) -> Bearer:
    """The token as a header for a service. Raises InputError without a token, for one of the old form with a user
    number, and for an address that would send it unencrypted over a network."""
    token = os.environ.get(VARIABLE, "").strip() or _from_file()
    if token is None:
        raise InputError(f"{urlsplit(url).hostname} needs a token of the ECMWF data stores: {HOW}")
    keep_secret(token)
    if ":" in token or not token.isascii() or len(token.split()) != 1:
        raise InputError(f"the token of the ECMWF data stores is not a personal access token: {HOW}")
    if not is_confidential(url):
        raise InputError(f"MMVSF_ECMWF_URL: {url} is not encrypted, so it gets no token; use https")
    return Bearer(token)


def _from_file() -> str | None:
    """The key in ~/.cdsapirc, or the file that CDSAPI_RC names."""
    path = Path(os.environ.get("CDSAPI_RC") or "~/.cdsapirc").expanduser()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    key = content.get("key") if isinstance(content, dict) else None
    return str(key).strip() if key else None
