"""Tests of streamer.config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.config import Config, ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "loacast.toml"
    path.write_text('api_port = 1\nhost = "file"\nname = "file"\nlog_level = "debug"')
    return path


def test_flags_go_before_environment_before_file_before_defaults(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOACAST_API_PORT", "2")
    monkeypatch.setenv("LOACAST_HOST", "environment")
    config = Config.load(file=file, api_port=3, host=None)
    assert (config.api_port, config.host, config.name) == (3, "environment", "file")
    assert config.complexity == 10


def test_loading_a_file_does_not_stick_to_later_loads(file: Path) -> None:
    assert Config.load(file=file).name == "file"
    assert Config.load().name == "Loacast"


@pytest.mark.parametrize(
    ("ports", "effective"),
    [
        ({}, 8082),
        ({"api_port": 0}, 0),
        ({"stream_port": 9000}, 9001),
        ({"webrtc_port": 0}, 0),
        ({"webrtc_port": 7}, 7),
    ],
)
def test_the_webrtc_port_follows_the_stream_port(
    ports: dict[str, Any], effective: int
) -> None:
    assert Config.load(**ports).effective_webrtc_port == effective


def test_public_addresses_are_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("203.0.113.7", "2001:db8::1")
    assert [str(a) for a in Config.load(public_addresses=given).public_addresses] == [
        *given
    ]
    monkeypatch.setenv("LOACAST_PUBLIC_ADDRESSES", '["203.0.113.7"]')
    assert [str(a) for a in Config.load().public_addresses] == ["203.0.113.7"]
    with pytest.raises(ConfigError, match="public_addresses"):
        Config.load(public_addresses=("loa.example",))


@pytest.mark.parametrize(
    ("ports", "effective"),
    [
        ({}, 8081),
        ({"api_port": 9000}, 9001),
        ({"api_port": 0}, 0),
        ({"api_port": 0, "stream_port": 7}, 7),
        ({"api_port": 9000, "stream_port": 0}, 0),
    ],
)
def test_the_stream_port_follows_the_api_port(
    ports: dict[str, Any], effective: int
) -> None:
    assert Config.load(**ports).effective_stream_port == effective


def test_what_lies_where_by_default(tmp_path: Path) -> None:
    config = Config.load(data_directory=tmp_path)
    assert config.database_path == tmp_path / "loacast.db"
    assert config.effective_recordings_directory == tmp_path / "recordings"
    elsewhere = Config.load(recordings_directory=tmp_path / "x")
    assert elsewhere.effective_recordings_directory == tmp_path / "x"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"api_port": 65_536}, "api_port"),
        ({"max_programmes": 0}, "max_programmes"),
        ({"log_level": "loud"}, "log_level"),
        ({"bitrate_kbps": 3}, "bitrate_kbps"),
    ],
)
def test_a_bad_setting_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Config.load(**given)


@pytest.mark.parametrize("content", ["api_port = = 1", "no_such_setting = 1"])
def test_a_bad_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(ConfigError):
        Config.load(file=path)
    with pytest.raises(ConfigError, match="no such file"):
        Config.load(file=tmp_path / "missing.toml")
