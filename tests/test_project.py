"""What the project's files say about it agrees: extras, pins, versions, markers, links."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
PAGES = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]


def name_of(requirement: str) -> str:
    """The normalised name of the package in a requirement."""
    return re.split(r"[\[<>=,~!; ]", requirement)[0].lower().replace("_", "-")


def test_make_setup_installs_every_extra() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    match = re.search(r"^EXTRAS\s+\?= (\S+)$", makefile, re.MULTILINE)
    assert match and set(match.group(1).split(",")) == set(PROJECT["optional-dependencies"])


def test_every_package_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {name_of(line) for line in lines if "==" in line}
    requirements = [
        *PROJECT["dependencies"],
        *(r for extra in PROJECT["optional-dependencies"].values() for r in extra),
    ]
    assert not {name_of(requirement) for requirement in requirements} - pinned


def test_promised_pythons_are_those_that_ci_runs() -> None:
    promised = {c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d", c)}
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    tested = set(workflow["jobs"]["data-half"]["strategy"]["matrix"]["python"])
    steps = workflow["jobs"]["whole"]["steps"]
    tested |= {step["with"]["python-version"] for step in steps if "python-version" in step.get("with", {})}
    assert promised == tested
    assert PROJECT["requires-python"] == f">={min(promised)}"


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"] and citation["license"] == PROJECT["license"]


def test_markers_are_explained() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    declared = {line.split(":")[0] for line in PYPROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == declared


def test_targets_and_files_that_contributors_are_sent_to_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in set(re.findall(r"`make ([a-z-]+)", text)):
            assert re.search(rf"^([a-z -]+ )?{target}( [a-z -]+)?:", makefile, re.MULTILINE), f"{page.name}: {target}"
        for path in re.findall(r"`((?:tests|datasets|docs|pipeline|model)/[\w/.]*)`", text):
            assert (ROOT / path).exists(), f"{page.name}: {path}"
