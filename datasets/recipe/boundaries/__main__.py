"""Make `us.topojson.gz` from us-atlas's counties-10m.json: `python -m mmvsf.datasets.recipe.boundaries IN OUT`."""

import gzip
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    content = json.loads(source.read_text(encoding="utf-8"))
    del content["objects"]["nation"]
    target.write_bytes(gzip.compress(json.dumps(content, separators=(",", ":")).encode(), 9, mtime=0))
