"""`mmvsf doctor`: what it finds wrong, what only some work needs, and that no secret is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmvsf.datasets.command import build_app
from mmvsf.datasets.storage.location import location
from mmvsf.pipeline.inspect import doctor
from mmvsf.pipeline.inspect.doctor import Finding, State, examine
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS

from ..servers.base import Request, Response, StandIn


class Answering(StandIn):
    """A service that knows nothing: that is an answer."""

    def answer(self, request: Request) -> Response:
        return Response(404)


def by_name(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), ["doctor", *arguments])
    return result.exit_code, result.output


def test_a_sound_machine(tmp_path: Path) -> None:
    findings = by_name(examine(tmp_path, services=False))
    assert not [finding for finding in findings.values() if finding.state is State.WRONG]
    assert "numpy" in findings["needed"].detail and findings["extra build"].detail == "installed"


def test_services_that_answer_and_one_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Answering() as server:
        for name, endpoint in ENDPOINTS.items():
            monkeypatch.delenv(f"MMVSF_{name.upper().replace('-', '_')}_URL", raising=False)
            monkeypatch.setenv(endpoint.variable, server.url)
        monkeypatch.setenv("MMVSF_NASS_URL", "http://127.0.0.1:9")
        findings = {finding.name: finding for finding in examine(tmp_path) if finding.part == "services"}
    assert findings.keys() == ENDPOINTS.keys()
    assert findings.pop("nass").state is State.NOTE
    assert all(finding.state is State.OK for finding in findings.values())


def test_an_address_with_a_password_is_wrong_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMVSF_NASS_URL", "http://me:s3cret@127.0.0.1:9")
    for endpoint in ENDPOINTS.values():
        if endpoint.variable != "MMVSF_NASS_URL":
            monkeypatch.setenv(endpoint.variable, "http://127.0.0.1:9")
    findings = by_name(examine(tmp_path))
    assert findings["nass"].state is State.WRONG
    assert "s3cret" not in str(findings)


def test_no_token_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", "s3cret")
    monkeypatch.setenv("CDSAPI_KEY", "s3cret")
    findings = examine(tmp_path, services=False)
    assert by_name(findings)["Earthdata token"].state is State.OK
    assert "s3cret" not in str(findings)


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = by_name(examine(Path("/proc/none"), services=False))["data"]
    assert finding.state is State.WRONG and "--data-dir" in finding.detail


def test_a_bucket_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert by_name(examine(location("s3://bucket/data"), services=False))["data"].state is State.OK


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"stations": ("no_such_module",)})
    monkeypatch.setattr(doctor, "requires", lambda name: ["numpy>=2", "no-such-package>=1 ; extra == 'x'", "nowhere>1"])
    findings = by_name(examine(tmp_path, services=False))
    assert findings["extra stations"].state is State.NOTE and "no_such_module" in findings["extra stations"].detail
    assert findings["needed"].state is State.WRONG and findings["needed"].detail.startswith("nowhere are not")


def test_little_memory_and_disk_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_MEMORY", 1e15)
    monkeypatch.setattr(doctor, "LEAST_DISK", 1e18)
    findings = by_name(examine(tmp_path, services=False))
    assert findings["memory"].state is findings["data"].state is State.NOTE


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = run("--offline", "--data-dir", str(tmp_path), "--json")
    assert code == 0 and {"part", "name", "state", "detail"} == json.loads(text)[0].keys()
    code, text = run("--offline", "--data-dir", "/proc/none")
    assert code == 1 and "wrong" in text
