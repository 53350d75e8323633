"""`loacast log …`: the as-run log verified, exported, and what it says of coverage."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streamer.air.coverage import Gap, GapCause, Tally, ZoneCoverage
from streamer.air.zones import UnknownZoneError
from streamer.config import Config
from streamer.store.asrun import AsRunLog
from streamer.store.asrunexport import csv_header, csv_lines, json_lines
from streamer.store.chain import Head, Link, parsed
from streamer.store.columns import utc_of_us
from streamer.store.database import Database, sqlite_url
from streamer.store.errors import StoreError
from streamer.store.headfile import NAME, HeadFile
from streamer.store.store import Store
from streamer.store.verifier import Verdict, Verifier
from streamer.studio.coverage_report import BroadcastReport, MonthReport, month_report

EXIT_OK, EXIT_FAILURE = 0, 1

FORMATS: dict[str, Callable[[Iterable[Link]], str]] = {
    "csv": csv_lines,
    "jsonl": json_lines,
}


class LogbookError(Exception):
    """The command cannot do what was asked; the text is for the operator."""


def head_path(config: Config) -> Path:
    """Return the file in which the server notes the end of its log."""
    return config.data_directory / NAME


def verify(config: Config, *, expected: Iterable[str], file: Path | None) -> int:
    """Verify the log of the database, or an exported one; return the exit status.

    Args:
        config: Where the database is.
        expected: Heads noted earlier, as ``COUNT:HASH``.
        file: An export of the whole log as JSON lines, instead of the database.
    """

    async def main() -> int:
        heads = [_head(each) for each in expected]
        if file is not None:
            verdict = await asyncio.to_thread(_verify_file, file, heads)
        else:
            async with _log(config) as log:
                verdict = await log.verify(heads)
        return _tell(verdict)

    return _run(main())


def export(config: Config, *, kind: str) -> int:
    """Print the log in the format *kind* of `FORMATS`; return the exit status."""

    async def main() -> int:
        render = FORMATS[kind]
        async with _log(config) as log:
            _put(csv_header() if kind == "csv" else "")
            async for links in log.stream():
                _put(render(links))
        sys.stdout.flush()
        return EXIT_OK

    return _run(main())


def coverage(config: Config, *, month: str, zone_id: str | None) -> int:
    """Print who received the broadcasts of a month; return the exit status."""

    async def main() -> int:
        _require_database(config)
        now_utc = datetime.now(UTC)
        async with Store(_url(config)) as store:
            tree = await store.zones.tree()
            try:
                report = await month_report(
                    store, tree, month, now_utc=now_utc, zone_id=zone_id
                )
            except (ValueError, UnknownZoneError) as error:
                raise LogbookError(str(error)) from error
        for line in month_lines(month, report):
            print(line)
        return EXIT_OK

    return _run(main())


def month_lines(month: str, report: MonthReport) -> Iterator[str]:
    """Yield *report* for people, a line at a time; instants are UTC."""
    yield f"{month}: {_tally(report.tally)}"
    for each in report.broadcasts:
        yield from _broadcast_lines(each)


def _broadcast_lines(report: BroadcastReport) -> Iterator[str]:
    broadcast = report.broadcast
    start = broadcast.started_utc or broadcast.accepted_utc
    note = " (not all have told yet)" if report.preliminary else ""
    yield ""
    yield f"{start:%Y-%m-%d %H:%M:%S}Z  {broadcast.id}  {broadcast.title}"
    yield f"  {_tally(report.coverage.tally)}{note}"
    for zone in report.coverage.incomplete_zones:
        yield from _zone_lines(zone)


def _zone_lines(zone: ZoneCoverage) -> Iterator[str]:
    yield f"  zone {zone.zone_id}: {_tally(zone.tally)}"
    for gap in zone.gaps:
        yield f"    all of it: {_gap(gap)}"
    for speaker in zone.incomplete:
        for gap in speaker.gaps:
            if gap.cause is not GapCause.PREEMPTED:
                yield f"    {speaker.speaker_id}: {_gap(gap)}"


def _tally(tally: Tally) -> str:
    if tally.percent is None:
        return "no speaker should have heard anything"
    whole = f"{tally.complete} of {tally.speakers} received all"
    return f"{tally.percent:.2f} % heard, {whole}"


def _gap(gap: Gap) -> str:
    start, end = utc_of_us(gap.from_us), utc_of_us(gap.to_us)
    text = f"missed {gap.missed_us / 1e6:.1f} s, {gap.cause.value.replace('_', ' ')}"
    text += f", {start:%H:%M:%S} to {end:%H:%M:%S}"
    if gap.unconfirmed_us:
        text += f" (the first {gap.unconfirmed_us / 1e6:.0f} s may have been played)"
    return text


def _tell(verdict: Verdict) -> int:
    head = f"{verdict.head.count}:{verdict.head.hash}"
    if verdict.fault is None:
        print(
            f"The log is whole: {verdict.head.count} events. Its head, to note: {head}"
        )
        return EXIT_OK
    print(f"The log is broken at event {verdict.fault.serial}.")
    print(f"{verdict.fault.explanation[0].upper()}{verdict.fault.explanation[1:]}.")
    print(f"Sound until then: {verdict.head.count} events.")
    return EXIT_FAILURE


def _verify_file(file: Path, heads: Iterable[Head]) -> Verdict:
    verifier = Verifier(heads)
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            try:
                verifier.take(parsed(line))
            except ValueError as error:
                raise LogbookError(f"{file}, line {number}: {error}") from error
    return verifier.finish()


def _head(text: str) -> Head:
    count, _, hashed = text.partition(":")
    if not (count.isdecimal() and len(hashed) == 64):
        raise LogbookError(f"{text!r} is no head: it is written COUNT:HASH")
    return Head(int(count), hashed.lower())


@asynccontextmanager
async def _log(config: Config) -> AsyncIterator[AsRunLog]:
    """Open the log of an existing database, which is not migrated: it is evidence."""
    _require_database(config)
    async with Database(_url(config)) as database:
        yield AsRunLog(database, HeadFile(head_path(config)))


def _require_database(config: Config) -> None:
    if config.database_url is None and not config.database_path.exists():
        raise LogbookError(f"there is no database {config.database_path}")


def _url(config: Config) -> str:
    # As the server does; to import it all would take seconds.
    return config.database_url or sqlite_url(config.database_path)


def _put(text: str) -> None:
    # As it is, whatever the terminal's encoding; csv ends its lines by itself.
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


def _run(main: Coroutine[Any, Any, int]) -> int:
    """Run *main*; what an operator can put right is one line, not a traceback."""
    try:
        return asyncio.run(main)
    except BrokenPipeError:
        # Whoever read has enough; do not complain when what is left is flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except (LogbookError, StoreError, ValueError, OSError) as error:
        print(f"loacast: {error}", file=sys.stderr)
        return EXIT_FAILURE
