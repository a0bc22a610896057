"""Where the files of an item may lie: what an href names decides neither which host nor which parser is used."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from stat import S_ISLNK
from urllib.parse import SplitResult, unquote, urlsplit

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.pipeline.sources.transport.http import redact
from mmvsf.pipeline.sources.transport.reach import LINK_LOCAL, PUBLIC, reach_of_name

Locate = Callable[[str], str]
"""an item's href -> what is opened; raises InputError for one that is refused"""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")

PLAIN = re.compile(r"https?://([a-z0-9.-]+)/[\w./-]*", re.ASCII)
"""A URL with nothing in it that needs a closer look, as nearly all of a catalogue's are; its host."""


def remote_href(catalog: str, href: str) -> str:
    """The href of an item of a public catalogue, whose address is `catalog`.

    Raises InputError unless it is an http(s) URL of a public host. A catalogue on loopback, or in a private network,
    may name files there too; a link-local address is never read, since cloud machines keep credentials behind it.
    """
    plain = PLAIN.fullmatch(href)
    reach = reach_of_name(plain[1] if plain else _host(href))
    if reach == LINK_LOCAL or (reach != PUBLIC and reach > reach_of_name(_split(catalog).hostname or "")):
        raise InputError(f"the href {_shown(href)} names a private address, and {catalog} is a public catalogue")
    return href


def _host(href: str) -> str:
    """The host of an http(s) URL. Raises InputError for anything else."""
    _refuse_control(href)
    parts = _split(href)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"the href {_shown(href)} is not an http(s) URL, and a public catalogue can name nothing else")
    if "@" in parts.netloc or "#" in href:
        raise InputError(f"the href {_shown(href)} holds a name, a password or a fragment")
    return parts.hostname


def local_href(folder: Path, href: str, real: dict[Path, Path] | None = None) -> str:
    """The path of an item's file in a local archive, or its http(s) URL; relative hrefs, percent-encoded or not, start
    from `folder`. `real` keeps the real paths of folders from one call to the next of a search. Raises InputError for
    any other scheme and for paths that GDAL would take for a chain of readers."""
    if (plain := PLAIN.fullmatch(href)) and reach_of_name(plain[1]) != LINK_LOCAL:
        return href
    _refuse_control(href)
    parts = _split(href)
    if parts.scheme in ("http", "https"):
        if not parts.hostname or "@" in parts.netloc or "#" in href or reach_of_name(parts.hostname) == LINK_LOCAL:
            raise InputError(f"the href {_shown(href)} is not the address of a file on a web server")
        return href
    if parts.scheme not in ("", "file"):
        raise InputError(f"the href {_shown(href)} is neither a file nor an http(s) URL; copy the file to the archive")
    try:
        if parts.scheme == "file":
            path = Path(unquote(parts.path))
        else:
            path = folder / href
            path = path if "%" not in href or path.exists() else folder / unquote(href)
        _refuse_control(str(path))
        resolved = str(_real_path(path, {} if real is None else real))
    except (OSError, ValueError, RuntimeError) as error:  # too long, half characters, links in a circle
        raise InputError(f"the href {_shown(href)} is not a path: {one_line(error, 100)}") from None
    if resolved.startswith("/vsi"):
        raise InputError(f"the href {_shown(href)} is a virtual path of GDAL; give the path of the file itself")
    return resolved


def _real_path(path: Path, real: dict[Path, Path]) -> Path:
    """The path without links, by the folders that are known. Raises OSError for links in a circle, and for a path that
    is too long."""
    folder, name = path.parent, path.name
    if name in ("", ".."):
        return path.resolve()
    if folder not in real:
        real[folder] = folder.resolve()
    resolved = real[folder] / name
    with suppress(FileNotFoundError, NotADirectoryError):
        return resolved.resolve() if S_ISLNK(resolved.lstat().st_mode) else resolved
    return resolved


def _split(href: str) -> SplitResult:
    try:
        return urlsplit(href)
    except ValueError as error:
        raise InputError(f"the href {_shown(href)} is not a URL: {error}") from None


def _refuse_control(text: str) -> None:
    if CONTROL.search(text):
        raise InputError(f"the href {_shown(text)} holds a control character")


def _shown(href: str) -> str:
    return repr(redact(href[:200]))
