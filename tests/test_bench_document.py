"""docs/performance.md keeps the sections of the courses that a run of the benchmarks did not measure."""

from __future__ import annotations

from pathlib import Path

from tests.bench.document import Section, write_sections


def test_a_run_replaces_its_own_sections_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    write_sections(path, [Section("Builds", "slow"), Section("Reads", "| a | b |\n\n### Detail\n\nfast")])
    write_sections(path, [Section("Builds", "fast"), Section("Idle runs", "none")])
    first = path.read_text()
    assert [line for line in first.splitlines() if line.startswith("#")] == [
        "# Performance",
        "## Builds",
        "## Reads",
        "### Detail",
        "## Idle runs",
    ]
    assert "slow" not in first
    assert "## Builds\n\nfast\n" in first
    write_sections(path, [])
    assert path.read_text() == first


def test_the_document_is_as_the_benchmarks_write_it(tmp_path: Path) -> None:
    document = Path(__file__).parents[1] / "docs/performance.md"
    copy = tmp_path / "performance.md"
    copy.write_text(document.read_text())
    write_sections(copy, [])
    assert copy.read_text() == document.read_text()
