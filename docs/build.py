"""Build the documentation as a site, `build/site`: the pages of `docs`, the notebooks with their outputs, the project's
own pages, and the reference of the public interface from its docstrings.

    make docs

Links in `docs` are those of the repository, so that a forge shows the pages too; here the pages are copied to
`build/pages`, where links to notebooks and to the pages above `docs` lead to copies. A warning is an error.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "build/pages"
"""docs_dir of zensical.toml"""
PACKAGES = ROOT / "build/packages"
"""The folders under the names that they install as, for mkdocstrings."""
ABOVE = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")

ERASE_LINE = "\x1b[2K"
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def write_pages() -> None:
    """Fill `build/pages`."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES, ignore=shutil.ignore_patterns("*.py", "*.ipynb", "__pycache__"))
    for name in ABOVE:
        text = (ROOT / name).read_text(encoding="utf-8")
        (PAGES / f"{Path(name).stem}.md").write_text(text.replace("](docs/", "]("), encoding="utf-8")
    for page in PAGES.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        page.write_text(re.sub(r"(?<=\]\()\.\./(?=[A-Z])", "", text).replace(".ipynb)", ".md)"), encoding="utf-8")
    for notebook in (ROOT / "docs/notebooks").glob("*.ipynb"):
        write_notebook(notebook, PAGES / "notebooks")


def write_notebook(notebook: Path, folder: Path) -> None:
    """A notebook as a page of Markdown in `folder`, with the pictures and texts that its cells put out."""
    folder.mkdir(exist_ok=True)
    parts = []
    for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source.replace(".ipynb)", ".md)"))
            continue
        parts.append(f"```python\n{source}\n```")
        if printed := "".join("".join(output.get("text", "")) for output in cell["outputs"]):
            parts.append(_fenced(printed))
        for output in cell["outputs"]:
            parts += _shown(output.get("data", {}), folder / f"{notebook.stem}-{number}.png")
    (folder / f"{notebook.stem}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _shown(data: dict[str, Any], picture: Path) -> list[str]:
    """What a cell displays: a picture, which is written, or a value."""
    if "image/png" in data:
        picture.write_bytes(base64.b64decode(data["image/png"]))
        return [f"![What the cell above draws]({picture.name})"]
    return [_fenced("".join(data["text/plain"]))] if "text/plain" in data else []


def _fenced(text: str) -> str:
    lasting = [line for line in text.splitlines() if ERASE_LINE not in line]  # no states of a progress bar
    return f"```text\n{ESCAPE.sub('', chr(10).join(lasting)).strip()}\n```"


def link_packages() -> None:
    """Lay the folders out as the package `mmvsf`."""
    shutil.rmtree(PACKAGES, ignore_errors=True)
    package = PACKAGES / "mmvsf"
    package.mkdir(parents=True)
    for module in (ROOT / "api").glob("*.py"):
        (package / module.name).symlink_to(module)
    for part in ("datasets", "pipeline", "model"):
        (package / part).symlink_to(ROOT / part)


def main() -> int:
    """Build the site; returns the exit code."""
    write_pages()
    link_packages()
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
