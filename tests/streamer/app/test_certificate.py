"""Tests of streamer.app.certificate: kept, private, replaced when it is of no use."""

from __future__ import annotations

import datetime
import logging
from pathlib import Path

import pytest

from streamer.app.certificate import RENEWED_BEFORE, load_or_create
from streamer.fanout.webrtc.certificate import VALID_DAYS, Certificate

NOW = datetime.datetime(2026, 11, 22, 5, 30, tzinfo=datetime.UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "webrtc.pem"


def test_a_restart_finds_the_same_one_and_nobody_else_reads_it(path: Path) -> None:
    first = load_or_create(path, now_utc=NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create(path, now_utc=NOW).fingerprint == first.fingerprint
    assert [each.name for each in path.parent.iterdir()] == ["webrtc.pem"]


def test_a_file_that_others_may_read_is_closed_to_them(path: Path) -> None:
    load_or_create(path, now_utc=NOW)
    path.chmod(0o644)
    load_or_create(path, now_utc=NOW)
    assert path.stat().st_mode & 0o777 == 0o600


def damaged(pem: bytes) -> list[bytes]:
    other = Certificate.generate(now_utc=NOW).serialize()
    return [
        b"",
        pem[: len(pem) // 2],
        pem.replace(b"PRIVATE KEY", b"PUBLIC KEY"),
        pem[: pem.index(b"-----BEGIN CERT")] + other[other.index(b"-----BEGIN CERT") :],
        bytes(range(256)),
    ]


@pytest.mark.parametrize("which", range(5))
def test_a_damaged_file_is_told_of_and_replaced(
    path: Path, which: int, caplog: pytest.LogCaptureFixture
) -> None:
    first = load_or_create(path, now_utc=NOW)
    path.write_bytes(damaged(path.read_bytes())[which])
    second = load_or_create(path, now_utc=NOW)
    assert second.fingerprint != first.fingerprint
    assert load_or_create(path, now_utc=NOW).fingerprint == second.fingerprint
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert str(path) in record.getMessage()
    assert "PRIVATE" not in record.getMessage()


def test_one_that_expires_soon_is_replaced_in_time(path: Path) -> None:
    first = load_or_create(path, now_utc=NOW)
    end = NOW + datetime.timedelta(days=VALID_DAYS)
    before = end - RENEWED_BEFORE - datetime.timedelta(days=2)
    assert load_or_create(path, now_utc=before).fingerprint == first.fingerprint
    late = end - RENEWED_BEFORE + datetime.timedelta(seconds=1)
    renewed = load_or_create(path, now_utc=late)
    assert renewed.fingerprint != first.fingerprint


def test_what_a_power_cut_left_is_no_obstacle(path: Path) -> None:
    path.with_suffix(".new").write_bytes(b"half of a")
    certificate = load_or_create(path, now_utc=NOW)
    assert Certificate.parse(path.read_bytes()).fingerprint == certificate.fingerprint


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        load_or_create(tmp_path / "nowhere" / "webrtc.pem", now_utc=NOW)
