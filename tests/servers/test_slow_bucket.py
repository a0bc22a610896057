"""The bucket of folders behind a delay: objects by range, and lists of a folder."""

from __future__ import annotations

from pathlib import Path

from tests.servers.base import Request
from tests.servers.slow_bucket import answer


def ask(root: Path, path: str, range_: str = "", **query: str) -> tuple[int, bytes]:
    headers = {"range": range_} if range_ else {}
    response = answer(root, Request("GET", path, query, headers))
    return response.status, response.body


def test_objects_and_lists(tmp_path: Path) -> None:
    for name in ("cube/zarr.json", "cube/tiles/a", "cube/tiles/deep/b"):
        path = tmp_path / "bucket" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0123456789")
    assert ask(tmp_path, "/bucket/cube/tiles/a", "bytes=2-4") == (206, b"234")
    assert ask(tmp_path, "/bucket/cube/none")[0] == 404
    query = {"list-type": "2", "prefix": "cube/"}
    folder, every = (ask(tmp_path, "/bucket", **query, **more)[1] for more in ({"delimiter": "/"}, {}))
    assert folder.count(b"<Key>") == 1 and b"<Prefix>cube/tiles/</Prefix>" in folder
    assert every.count(b"<Key>") == 3 and b"<CommonPrefixes>" not in every
    assert b"<Key>" not in ask(tmp_path, "/bucket", **{"list-type": "2", "prefix": "none/"})[1]
