"""What the bench can be asked, each with what it needs: a server, a field, nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from bench import air as airs
from bench import churn as churns
from bench import coverage as coverages
from bench import fanout as fanouts
from bench import join as joins
from bench import latency as latencies
from bench import preempt as preempts
from bench import stalled as stalls
from bench.answering import Question
from bench.field import WEBRTC, WEBSOCKET, WEBSOCKET_PEERS, Field, our_server
from bench.report import Row

Told: TypeAlias = Callable[[str], None]


def published(told: Told) -> dict[str, Question]:
    """Return every question whose answer README.md shows, by the file's name."""
    peers = list(WEBSOCKET_PEERS)
    webrtc_peers = ["floor", "aiortc", "janus"]
    by_webrtc = partial(fanouts.Plan, transport=WEBRTC)
    return {
        name: partial(question, told=told)
        for name, question in {
            "fanout-1000": partial(
                fanout, fanouts.Plan(1000, 10), Field(WEBSOCKET, 1000, peers)
            ),
            "fanout-2000": partial(
                fanout, fanouts.Plan(2000, 10), Field(WEBSOCKET, 2000)
            ),
            "fanout-6000": partial(
                fanout,
                fanouts.Plan(6000, 10, 60),
                Field(WEBSOCKET, 6000, ptime_ms=60),
            ),
            "fanout-webrtc-500": partial(
                fanout, by_webrtc(500, 10), Field(WEBRTC, 500, webrtc_peers)
            ),
            "fanout-webrtc-2500": partial(
                fanout, by_webrtc(2500, 10), Field(WEBRTC, 2500)
            ),
            "join-webrtc": partial(join, joins.Plan(500), Field(WEBRTC, 500)),
            "preempt": partial(preempt, Field(WEBSOCKET, 1000), preempts.Plan()),
            "preempt-2000": partial(
                preempt,
                Field(WEBSOCKET, 2000, ptime_ms=60),
                preempts.Plan(ptime_ms=60),
            ),
            "preempt-webrtc": partial(preempt, Field(WEBRTC, 1000), preempts.Plan()),
            "latency": partial(latency, 20, 3),
            "stalled": partial(stalled, 500, 5),
            "air": partial(airs.run, airs.Plan()),
            "coverage": partial(coverage, coverages.Plan()),
        }.items()
    }


def fanout(plan: fanouts.Plan, field: Field, told: Told) -> list[Row]:
    """Ask about a steady programme."""
    with field.openers() as openers:
        return fanouts.run(plan, openers, told)


def join(plan: joins.Plan, field: Field, told: Told) -> list[Row]:
    """Ask what it costs to join."""
    with field.openers() as openers:
        return joins.run(plan, openers, told)


def churn(plan: churns.Plan, field: Field, told: Told) -> list[Row]:
    """Ask about listeners who come and go."""
    with field.openers() as openers:
        return churns.run(plan, openers, told)


def preempt(field: Field, plan: preempts.Plan, told: Told) -> list[Row]:
    """Ask how soon an emergency is everywhere."""
    with field.our_opener() as ours, ours() as server:
        return preempts.run(server, field.listeners, plan, told)


def latency(seconds: float, rounds: int, told: Told) -> list[Row]:
    """Ask how long it is from mouth to ear."""
    with our_server(2) as ours:
        return latencies.run(ours, seconds, rounds, told)


def stalled(listeners: int, rounds: int, told: Told) -> list[Row]:
    """Ask about listeners that do not read."""
    with our_server(listeners) as ours:
        return stalls.run(ours, listeners, rounds, told)


def coverage(plan: coverages.Plan, told: Told, keep: Path | None = None) -> list[Row]:
    """Ask who is said to have missed what."""
    with our_server(plan.speakers) as ours:
        return coverages.run(partial(ours, directory=keep), plan, told)
