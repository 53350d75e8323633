"""Who missed a broadcast: some of many real speakers are killed half-way (issue C).

The speakers are the real client, each with a device that plays to nobody. Half-way
through a broadcast the process of some is killed, so that none of them can say
anything more. When all receipts are in, the coverage report must name exactly these,
and say that each missed the broadcast from its death to the end. A receipt comes every
10 s: what was played since the last one counts as missed, and is told as unconfirmed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.api import Json
from bench.loudspeakers import Loudspeakers
from bench.province import PROVINCE
from bench.report import Row, rounded, summarise
from bench.server import Server
from streamer.air.coverage import EDGE_TOLERANCE_US, REPORT_INTERVAL_US
from streamer.store.credentials import parse
from streamer.studio.coverage_report import DEFAULT_TIME_ZONE

TITLE = "Bản tin sáng"
PATTERN = "bulletin"
DELAY_MS = 1_000
CROWD = 25
"Speakers in one process."
SETTLED_TIMEOUT_S = 40.0
"After the end, until the report is not preliminary any more: 15 s and a little."
EDGE = timedelta(microseconds=EDGE_TOLERANCE_US)
UNREPORTED = timedelta(microseconds=REPORT_INTERVAL_US, seconds=2)
"A receipt is due every 10 s; it leaves within a second, and tells what was D before."


@dataclass(frozen=True, slots=True)
class Plan:
    """How many speakers, how many of them are killed, and how long is the broadcast."""

    speakers: int = 100
    kill: int = 7
    seconds: float = 30.0
    "More than two receipts' time, so that everybody has sent one when some die."


@dataclass(frozen=True, slots=True)
class Missed:
    """What the report says that a speaker missed."""

    speaker_id: str
    zone_id: str
    cause: str
    from_utc: datetime
    to_utc: datetime
    missed_s: float
    unconfirmed_s: float


def run(
    opener: Callable[[], Server], plan: Plan, told: Callable[[str], None]
) -> list[Row]:
    """Air one broadcast to the speakers of *plan*, kill some; return one row."""
    with opener() as server, ExitStack() as stack:
        # What is advised on 4G: a busy machine has a second to render in.
        server.api.patch(f"zones/{PROVINCE.id}", {"playout_delay_ms": DELAY_MS})
        doomed, *crowds = _crowds(server, plan)
        for crowd in (doomed, *crowds):
            stack.enter_context(crowd)
        for crowd in (doomed, *crowds):
            crowd.await_ready()
        told(f"{plan.speakers} speakers are connected")
        broadcast = server.api.start_tone(
            PATTERN, [PROVINCE.id], "normal", title=TITLE, duration_s=plan.seconds
        )
        time.sleep(plan.seconds / 2)
        killed_utc = datetime.now(UTC)
        doomed.kill()
        told(f"{plan.kill} were killed at {killed_utc:%H:%M:%S}")
        time.sleep(plan.seconds / 2)
        report = _settled(server, str(broadcast["id"]))
        listing = logged(server.directory, "coverage", "--month", this_month())
        told(listing)
        told(verdict := logged(server.directory, "verify"))
    ids = {parse(each).id for each in server.credentials[: plan.kill]}
    found = row(plan, report, ids, killed_utc)
    # The command reads the same database by itself.
    if listed_by_command(listing) != ids or "is whole" not in verdict:
        found["status"] = "failed"
    return [found]


def row(plan: Plan, report: Json, killed: Collection[str], killed_utc: datetime) -> Row:
    """Return what *report* comes to; ok if it is about the killed and nobody else."""
    missed = list(missed_by(report))
    listed = {each.speaker_id for each in missed}
    doubtful = [each for each in missed if not is_plausible(each, report, killed_utc)]
    wrongly = listed.symmetric_difference(killed)
    exact = not wrongly and len(missed) == len(listed) and not doubtful
    whole = report["complete_speakers"] == plan.speakers - plan.kill
    sample = {
        "speakers_listed": len(listed),
        "wrongly_listed_or_not": len(wrongly),
        "implausible": len(doubtful),
        "percent_heard": report["percent"],
    }
    return {
        "server": "loacast",
        "speakers": plan.speakers,
        "killed": plan.kill,
        "seconds": plan.seconds,
        "status": "ok" if exact and whole else "failed",
        **summarise([sample]),
        "missed": [_told(each, killed_utc) for each in missed],
    }


def missed_by(report: Json) -> Iterator[Missed]:
    """Yield every gap of every speaker that the report lists."""
    for zone in report["incomplete"]:
        for speaker in zone["speakers"]:
            for gap in speaker["gaps"]:
                yield Missed(
                    speaker["speaker_id"],
                    zone["zone_id"],
                    gap["cause"],
                    datetime.fromisoformat(gap["from_utc"]),
                    datetime.fromisoformat(gap["to_utc"]),
                    gap["missed_s"],
                    gap["unconfirmed_s"],
                )


def is_plausible(missed: Missed, report: Json, killed_utc: datetime) -> bool:
    """Return whether it reaches from the kill, or the last receipt before, to the end.

    A speaker that never sent one has missed all of it.
    """
    (aired,) = report["aired"]
    start, end = map(datetime.fromisoformat, (aired["from_utc"], aired["to_utc"]))
    earliest = max(start, killed_utc - UNREPORTED)
    lasted_s = (missed.to_utc - missed.from_utc).total_seconds()
    return (
        missed.cause == "not_received"
        and earliest - EDGE <= missed.from_utc <= killed_utc
        and abs(missed.to_utc - end) <= EDGE
        and abs(missed.missed_s - lasted_s) < 0.001
    )


def listed_by_command(text: str) -> set[str]:
    """Return the speakers that `loacast log coverage` names."""
    return set(re.findall(r"^    (?!all of it)(\S+): missed", text, re.MULTILINE))


def logged(directory: Path, *arguments: str) -> str:
    """Return what `loacast log …` says about the data in *directory*."""
    command = [sys.executable, "-m", "streamer", "log", *arguments]
    done = subprocess.run(
        [*command, "--data-directory", str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def this_month() -> str:
    """Return the month as the report counts them."""
    return f"{datetime.now(DEFAULT_TIME_ZONE):%Y-%m}"


def _crowds(server: Server, plan: Plan) -> Sequence[Loudspeakers]:
    """Return the processes of the speakers; the first one's are to be killed."""
    credentials = server.credentials[: plan.speakers]
    doomed, others = credentials[: plan.kill], credentials[plan.kill :]
    return [
        Loudspeakers(server.port, doomed),
        *(
            Loudspeakers(server.port, others[first : first + CROWD])
            for first in range(0, len(others), CROWD)
        ),
    ]


def _settled(server: Server, broadcast_id: str) -> Json:
    """Return the report when everybody has told, or should have.

    Raises:
        TimeoutError: It stayed preliminary.
    """
    give_up = time.monotonic() + SETTLED_TIMEOUT_S
    while time.monotonic() < give_up:
        report: Json = server.api.get(f"broadcasts/{broadcast_id}/coverage")
        if not report["preliminary"]:
            return report
        time.sleep(1)
    raise TimeoutError("the coverage report is still preliminary")


def _told(missed: Missed, killed_utc: datetime) -> Row:
    return {
        "speaker": missed.speaker_id,
        "zone": missed.zone_id,
        "cause": missed.cause,
        "missed_s": rounded(missed.missed_s),
        "unconfirmed_s": rounded(missed.unconfirmed_s),
        "from_after_kill_s": rounded((missed.from_utc - killed_utc).total_seconds()),
    }
