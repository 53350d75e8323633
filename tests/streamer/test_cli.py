"""Tests of the command line: what it starts, and what it says when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import streamer
from clients.speaker.app import SpeakerConfig
from clients.speaker.policy import Transport
from streamer.cli import RoleName, app
from streamer.config import Config
from streamer.store.records import Role

runner = CliRunner()
SERVER_ONLY = (
    "aiortc",
    "fastapi",
    "sqlalchemy",
    "uvicorn",
    "pydantic_settings",
    "uvloop",
)


def test_version() -> None:
    result = runner.invoke(app, ["version"])
    assert result.stdout == f"loacast {streamer.__version__}\n"


def test_the_roles_are_those_of_the_store() -> None:
    assert {each.value for each in RoleName} == {each.value for each in Role}


def blocked_environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which nothing of the server can be imported."""
    for name in SERVER_ONLY:
        (tmp_path / f"{name}.py").write_text("raise ModuleNotFoundError(name=__name__)")
    return os.environ | {"PYTHONPATH": str(tmp_path)}


def command(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streamer", *arguments],
        env=blocked_environment(tmp_path),
        cwd=Path(streamer.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_base_install_knows_the_command(tmp_path: Path) -> None:
    result = command(tmp_path, "version")
    assert (result.returncode, result.stderr) == (0, "")
    # A speaker gets as far as its own complaint.
    result = command(tmp_path, "speaker", "--output", "null", "ws://127.0.0.1:1")
    assert (result.returncode, "no credential" in result.stderr) == (2, True)


def test_the_base_install_says_how_to_get_a_server(tmp_path: Path) -> None:
    result = command(tmp_path, "serve")
    assert result.returncode == 1
    assert result.stderr == (
        "loacast: the server needs pydantic_settings: pip install 'loacast[server]'\n"
    )


def test_the_base_install_says_how_to_get_webrtc(tmp_path: Path) -> None:
    arguments = ["--credential", "x", "--output", "null", "ws://127.0.0.1:1"]
    result = command(tmp_path, "speaker", "--transport", "webrtc", *arguments)
    assert result.returncode == 2
    assert result.stderr == (
        "ERROR WebRTC needs aiortc: pip install 'loacast[webrtc]'\n"
    )


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[SpeakerConfig]:
    """Return what speakers were started with."""
    configs: list[SpeakerConfig] = []

    def main(config: SpeakerConfig) -> int:
        configs.append(config)
        return 0

    monkeypatch.setattr("clients.speaker.app.main", main)
    monkeypatch.delenv("LOACAST_CREDENTIAL", raising=False)
    return configs


URL = "ws://host:8081/v1/listen"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ws://host:8081"], SpeakerConfig(URL, "secret")),
        (["--url", "ws://host:8081/"], SpeakerConfig(URL, "secret")),
        (
            ["wss://host/own/path"],
            SpeakerConfig("wss://host/own/path", "secret"),
        ),
        (
            [URL, "--output", "wav", "--wav", "x.wav"],
            SpeakerConfig(URL, "secret", output="wav", wav_path=Path("x.wav")),
        ),
        (
            [URL, "--output", "wav:x.wav", "--ptime-ms", "60"],
            SpeakerConfig(
                URL, "secret", output="wav", wav_path=Path("x.wav"), ptime_ms=60
            ),
        ),
        ([URL, "--output", "null"], SpeakerConfig(URL, "secret", output="null")),
        (
            [URL, "--output", "sound-card:hw:0"],
            SpeakerConfig(URL, "secret", device_name="hw:0"),
        ),
        (
            [URL, "--transport", "auto", "--api-url", "https://h"],
            SpeakerConfig(URL, "secret", transport=Transport.AUTO, api_url="https://h"),
        ),
    ],
)
def test_a_speaker_is_started_as_told(
    arguments: list[str], expected: SpeakerConfig, started: list[SpeakerConfig]
) -> None:
    environment = {"LOACAST_CREDENTIAL": "secret"}
    result = runner.invoke(app, ["speaker", *arguments], env=environment)
    assert result.exit_code == 0, result.output
    assert started == [expected]


def test_a_credential_file_goes_before_the_environment(
    started: list[SpeakerConfig], tmp_path: Path
) -> None:
    file = tmp_path / "credential"
    file.write_text("from file\n")
    arguments = ["speaker", URL, "--credential-file", str(file)]
    runner.invoke(app, arguments, env={"LOACAST_CREDENTIAL": "secret"})
    assert [config.credential for config in started] == ["from file"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name the server"),
        (["http://host"], "name the server"),
        ([URL, "--ptime-ms", "30"], "--ptime-ms is one of 20, 40, 60"),
        ([URL, "--output", "tape"], "--output is one of"),
        ([URL, "--transport", "udp"], "--transport is one of websocket, webrtc, auto"),
        ([URL, "--api-url", "h:8080"], "name the API"),
        ([URL, "--credential-file", "/nowhere"], "No such file"),
        ([URL, "--credential", " "], "no credential"),
    ],
)
def test_a_speaker_that_cannot_start_says_why(
    arguments: list[str], complaint: str, started: list[SpeakerConfig]
) -> None:
    if "--credential" not in arguments:
        arguments = ["--credential", "secret", *arguments]
    result = runner.invoke(app, ["speaker", *arguments])
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert started == []


class TestServe:
    """Settings reach the server; what is wrong with them is said."""

    def test_flags_become_settings(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        configs: list[Config] = []

        def run(config: Config) -> int:
            configs.append(config)
            return 7

        monkeypatch.setattr("streamer.app.process.run", run)
        file = tmp_path / "loacast.toml"
        file.write_text('host = "file"\nmax_programmes = 5')
        arguments = ["serve", "--config", str(file), "--port", "0"]
        result = runner.invoke(app, [*arguments, "--host", "::1"])
        assert result.exit_code == 7
        (config,) = configs
        assert (config.host, config.api_port, config.max_programmes) == ("::1", 0, 5)

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["--port", "70000"], "api_port: "),
            (["--config", "/nowhere"], "/nowhere: no such file"),
            (["--log-level", "loud"], "log_level: "),
        ],
    )
    def test_a_bad_setting_is_named(self, arguments: list[str], complaint: str) -> None:
        result = runner.invoke(app, ["serve", *arguments])
        assert result.exit_code == 2
        assert result.stderr.startswith(f"loacast: {complaint}")


class TestToken:
    """Tokens are made in the store, whether a server runs or not."""

    def test_a_token_is_printed(self, tmp_path: Path) -> None:
        arguments = ["--role", "admin", "--data-directory", str(tmp_path / "data")]
        result = runner.invoke(app, ["token", "create", "--name", "Lan", *arguments])
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("loat_")
        assert len(result.stdout.splitlines()) == 1

    @pytest.mark.parametrize(
        ("arguments", "status", "complaint"),
        [
            (["--role", "broadcaster"], 2, "add --zone"),
            (["--role", "operator", "--zone", "x"], 1, "there is no zone 'x'"),
            (["--role", "king"], 2, "king"),
        ],
    )
    def test_a_bad_token_is_refused(
        self, tmp_path: Path, arguments: list[str], status: int, complaint: str
    ) -> None:
        arguments = [*arguments, "--data-directory", str(tmp_path / "data")]
        result = runner.invoke(app, ["token", "create", "--name", "x", *arguments])
        assert result.exit_code == status
        assert complaint in result.stderr
