"""Tests of `loacast log`, on a database file as a server leaves it behind."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streamer.air.difference import AirEvent, AirEventKind
from streamer.air.priority import Origin
from streamer.air.zones import Zone, ZoneLevel
from streamer.app.logbook import head_path
from streamer.cli import app
from streamer.config import Config
from streamer.store.asrunevents import AsRunEvent, AsRunKind
from streamer.store.database import sqlite_url
from streamer.store.receipts import StoredReceipt
from streamer.store.records import Broadcast, EndReason, SourceKind, Speaker
from streamer.store.store import Store
from streamer.wire.control import ProgrammeClass

runner = CliRunner()


def at(seconds: float) -> datetime:
    return datetime(2026, 11, 5, 22, 30, tzinfo=UTC) + timedelta(seconds=seconds)


async def fill(config: Config) -> None:
    """A minute's broadcast to two speakers, of which one was killed half-way."""
    url = sqlite_url(config.database_path)
    async with Store(url, head_path=head_path(config)) as store:
        await store.zones.create_many([Zone("z", None, "Thôn", ZoneLevel.VILLAGE)])
        for name in ("whole", "killed"):
            speaker = Speaker(
                id=name, name=name, zone_id="z", secret_hash=name, created_utc=at(-9)
            )
            await store.speakers.create(speaker)
        await store.broadcasts.create(
            Broadcast(
                id="b",
                title="Bản tin sáng",
                programme_class=ProgrammeClass.NORMAL,
                origin=Origin.COMMUNE,
                source_kind=SourceKind.TONE,
                zone_ids=("z",),
                started_by="token",
                accepted_utc=at(0),
                started_utc=at(0),
            )
        )
        started = AirEvent(0, AirEventKind.STARTED, "b", ("z",))
        await store.broadcasts.record([started], at(0))
        await store.broadcasts.end("b", ended_utc=at(60), reason=EndReason.COMPLETED)
        await store.receipts.put(
            StoredReceipt(
                broadcast_id="b",
                speaker_id=name,
                run_us=1,
                zone_id="z",
                packets_received=50 * seconds,
                total_samples_received=48_000 * seconds,
                played_samples=48_000 * seconds,
                concealed_samples=0,
                first_played_utc=at(0),
                last_played_utc=at(seconds),
                complete=seconds == 60,
            )
            for name, seconds in (("whole", 60), ("killed", 30))
        )
        for kind, cause in (
            (AsRunKind.ACCEPTED, None),
            (AsRunKind.STARTED, None),
            (AsRunKind.ENDED, "completed-by-its-source"),
        ):
            await store.asrun.append(
                [
                    AsRunEvent(
                        at_utc=at(0),
                        kind=kind,
                        broadcast_id="b",
                        cause=cause,
                        detail={"title": "Bản tin sáng"},
                    )
                ]
            )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    asyncio.run(fill(Config.load(data_directory=tmp_path)))
    return tmp_path


def log(directory: Path, *arguments: str) -> Result:
    where = ["--data-directory", str(directory)]
    return runner.invoke(app, ["log", *arguments, *where])


def change(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / "loacast.db")) as connection, connection:
        connection.execute(statement)


class TestVerify:
    """The exit status and the words."""

    def test_before_and_after_a_byte_is_changed(self, directory: Path) -> None:
        """A byte of the database's file, not a statement to the database."""
        whole = log(directory, "verify")
        assert (whole.exit_code, whole.stdout[:28]) == (
            0,
            "The log is whole: 3 events. ",
        )
        file = directory / "loacast.db"
        content = file.read_bytes()
        assert content.count(b"completed-by-its-source") == 1
        file.write_bytes(content.replace(b"by-its-source", b"by-its-s0urce"))
        broken = log(directory, "verify")
        assert broken.exit_code == 1
        assert broken.stdout.splitlines() == [
            "The log is broken at event 3.",
            "Event 3 was changed: its hash is of other content.",
            "Sound until then: 2 events.",
        ]
        file.write_bytes(content)
        assert log(directory, "verify").exit_code == 0

    def test_a_cut_tail(self, directory: Path) -> None:
        change(directory, "DELETE FROM asrun_events WHERE serial > 1")
        found = log(directory, "verify")
        assert found.exit_code == 1
        assert "Events 2 to 3 are cut off" in found.stdout

    def test_a_cut_tail_whose_head_file_was_removed_and_the_head_noted(
        self, directory: Path
    ) -> None:
        noted = log(directory, "verify").stdout.split()[-1]
        change(directory, "DELETE FROM asrun_events WHERE serial > 1")
        head_path(Config.load(data_directory=directory)).unlink()
        assert log(directory, "verify").exit_code == 0  # nothing is left to tell
        assert log(directory, "verify", "--expect", noted).exit_code == 1

    def test_an_export_away_from_the_database(
        self, directory: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "log.jsonl"
        text = log(directory, "export").stdout
        file.write_text(text)
        assert log(tmp_path, "verify", "--file", str(file)).exit_code == 0
        file.write_text(text.replace("2026-11-05", "2026-11-06", 1))
        found = log(tmp_path, "verify", "--file", str(file))
        assert (found.exit_code, "Event 1 was changed" in found.stdout) == (1, True)
        file.write_text("nonsense\n")
        found = log(tmp_path, "verify", "--file", str(file))
        assert (found.exit_code, "line 1" in found.stderr) == (1, True)

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            (("--expect", "3:ab"), "is no head"),
            (("--file", "/nowhere/log.jsonl"), "No such file"),
        ],
    )
    def test_what_cannot_be_done_is_one_line(
        self, directory: Path, arguments: tuple[str, ...], word: str
    ) -> None:
        found = log(directory, "verify", *arguments)
        assert (found.exit_code, found.stderr.count("\n")) == (1, 1)
        assert word in found.stderr

    def test_without_a_database_none_is_made(self, tmp_path: Path) -> None:
        for command in (["verify"], ["export"], ["coverage", "--month", "2026-11"]):
            found = log(tmp_path, *command)
            assert (found.exit_code, "no database" in found.stderr) == (1, True)
        assert list(tmp_path.iterdir()) == []


def test_exports_say_all_that_is_in_the_log(directory: Path) -> None:
    lines = [json.loads(each) for each in log(directory, "export").stdout.splitlines()]
    assert [each["kind"] for each in lines] == ["accepted", "started", "ended"]
    assert lines[0]["detail"] == {"title": "Bản tin sáng"}
    text = log(directory, "export", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [each["hash"] for each in rows] == [each["hash"] for each in lines]
    assert log(directory, "export", "--format", "xml").exit_code == 2


def test_coverage_names_who_missed_what(directory: Path) -> None:
    found = log(directory, "coverage", "--month", "2026-11")
    assert found.exit_code == 0
    assert found.stdout.splitlines() == [
        "2026-11: 75.00 % heard, 1 of 2 received all",
        "",
        "2026-11-05 22:30:00Z  b  Bản tin sáng",
        "  75.00 % heard, 1 of 2 received all",
        "  zone z: 75.00 % heard, 1 of 2 received all",
        "    killed: missed 30.0 s, not received, 22:30:30 to 22:31:00"
        " (the first 10 s may have been played)",
    ]
    other = log(directory, "coverage", "--month", "2026-10")
    assert other.stdout == "2026-10: no speaker should have heard anything\n"
    for bad in (("--month", "x"), ("--month", "2026-11", "--zone", "nowhere")):
        found = log(directory, "coverage", *bad)
        assert (found.exit_code, found.stderr.count("\n")) == (1, 1)
