"""The commands of `python -m bench`; README.md says how each measures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench import (
    air,
    churn,
    cli_speaker,
    fanout,
    join,
    latency,
    preempt,
    publish,
    report,
    stalled,
)
from bench.answering import JsonFile, Question, answer, console
from bench.demo import demo
from bench.field import (
    TRANSPORTS,
    WEBRTC,
    WEBSOCKET,
    WEBSOCKET_PEERS,
    Field,
    NoSuchPeer,
    our_server,
)
from bench.webrtc_contender import GCM, PROFILES

app = typer.Typer(
    help="Measure Loacast and its peers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
README = Path(__file__).with_name("README.md")
Listeners = Annotated[int, typer.Option(min=1, help="How many speakers listen.")]
Transport = Annotated[str, typer.Option(help="websocket or webrtc.")]
Against = Annotated[
    str,
    typer.Option(
        help="Peers, by comma: floor,websockets; or floor,engine,aiortc,janus."
    ),
]
Ours = Annotated[bool, typer.Option(help="Whether our own server is measured.")]
Srtp = Annotated[str, typer.Option(help="Its profile, the same for everybody.")]
Rounds = Annotated[
    int, typer.Option(min=1, help="Counted ones; one more is run and dropped.")
]


@app.command("fanout")
def fanout_command(  # noqa: PLR0913 – as many options as the question has
    *,
    transport: Transport = WEBSOCKET,
    listeners: Listeners = 1000,
    seconds: Annotated[float, typer.Option(min=1, help="Measured in a round.")] = 10,
    ptime: Annotated[
        int, typer.Option(help="Milliseconds a message: 20, or over websocket 40, 60.")
    ] = 20,
    against: Against = "",
    ours: Ours = True,
    srtp: Srtp = GCM,
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """CPU, memory and lateness per listener, beside peers (rows 1 to 5 and 8)."""
    if ptime not in (20, 40, 60) or (transport == WEBRTC and ptime != 20):
        raise typer.BadParameter("need --ptime 20, or over websocket 40 or 60")
    field = _field(
        transport, listeners, against, ours=ours, profile=srtp, ptime_ms=ptime
    )
    plan = fanout.Plan(listeners, seconds, ptime, rounds, transport=field.transport)
    answer("fanout", partial(_fanout, plan, field), json)


@app.command("join")
def join_command(
    *,
    transport: Transport = WEBRTC,
    listeners: Listeners = 500,
    against: Against = "",
    ours: Ours = True,
    srtp: Srtp = GCM,
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """CPU of the server to join, and time until everybody hears audio (row 5)."""
    field = _field(transport, listeners, against, ours=ours, profile=srtp)
    if "floor" in field.peers or (field.transport == WEBSOCKET and field.peers):
        raise typer.BadParameter("nobody can join a floor, or websockets, on air")
    plan = join.Plan(listeners, rounds, field.transport)
    answer("join", partial(_join, plan, field), json)


@app.command("churn")
def churn_command(
    *,
    minutes: Annotated[float, typer.Option(min=0.1, help="After a warm-up.")] = 10,
    listeners: Listeners = 1000,
    rate: Annotated[float, typer.Option(min=0.1, help="Joins a second.")] = 20,
    against: Against = "",
    ours: Ours = True,
    json: JsonFile = None,
) -> None:
    """Listeners over WebRTC that come and go: leaks, and lateness of who stays."""
    field = _field(WEBRTC, listeners, against, ours=ours)
    plan = churn.Plan(listeners, rate, minutes)
    answer("churn", partial(_churn, plan, field), json)


@app.command("preempt")
def preempt_command(
    *,
    transport: Transport = WEBSOCKET,
    listeners: Listeners = 1000,
    trials: Annotated[int, typer.Option(min=1, help="Emergencies in a round.")] = 20,
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """Emergency accepted to its first packet at the slowest listener (row 6)."""
    field = _field(transport, listeners)
    plan = preempt.Plan(trials, rounds)
    answer("preempt", partial(_preempt, field, plan), json)


@app.command("latency")
def latency_command(
    *,
    seconds: Annotated[float, typer.Option(min=5, help="Of chirps, a round.")] = 20,
    rounds: Rounds = 3,
    json: JsonFile = None,
) -> None:
    """Mouth to ear through a real speaker with a WAV file for a sound card (row 7)."""
    answer("latency", partial(_latency, seconds, rounds), json)


@app.command("stalled")
def stalled_command(
    *,
    listeners: Listeners = 500,
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """What listeners that stop reading do to the others (row 10)."""
    answer("stalled", partial(_stalled, listeners, rounds), json)


@app.command("air")
def air_command(
    *,
    zones: Annotated[int, typer.Option(min=100, help="In the tree.")] = 10_000,
    programmes: Annotated[int, typer.Option(min=1, help="On the air.")] = 100,
    changes: Annotated[int, typer.Option(min=1, help="Timed in a round.")] = 1000,
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """One decision of the arbiter about 10,000 zones and 100 programmes."""
    plan = air.Plan(zones, programmes, changes, rounds)
    answer("air", partial(air.run, plan, console.print), json)


@app.command("all")
def all_command(
    *,
    directory: Annotated[Path, typer.Option(help="Where the files go.")] = Path(
        "bench/results"
    ),
) -> None:
    """Every figure that README.md publishes, published; three quarters of an hour."""
    questions: dict[str, Question] = {
        "fanout-1000": partial(
            _fanout,
            fanout.Plan(1000, 10),
            Field(WEBSOCKET, 1000, list(WEBSOCKET_PEERS)),
        ),
        "fanout-2000": partial(_fanout, fanout.Plan(2000, 10), Field(WEBSOCKET, 2000)),
        "fanout-6000": partial(
            _fanout, fanout.Plan(6000, 10, 60), Field(WEBSOCKET, 6000, ptime_ms=60)
        ),
        "fanout-webrtc-500": partial(
            _fanout,
            fanout.Plan(500, 10, transport=WEBRTC),
            Field(WEBRTC, 500, ["floor", "aiortc", "janus"]),
        ),
        "fanout-webrtc-2500": partial(
            _fanout, fanout.Plan(2500, 10, transport=WEBRTC), Field(WEBRTC, 2500)
        ),
        "join-webrtc": partial(_join, join.Plan(500), Field(WEBRTC, 500)),
        "preempt": partial(_preempt, Field(WEBSOCKET, 1000), preempt.Plan()),
        "preempt-webrtc": partial(_preempt, Field(WEBRTC, 1000), preempt.Plan()),
        "latency": partial(_latency, 20, 3),
        "stalled": partial(_stalled, 500, 5),
        "air": partial(air.run, air.Plan(), console.print),
    }
    for name, question in questions.items():
        console.rule(name)
        answer(name.split("-")[0], question, directory / f"{name}.json")
    publish.publish(directory, README)
    console.print(f"published in {README}")


@app.command("demo")
def demo_command(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="End; status 0 if everybody heard all.")
    ] = False,
    directory: Annotated[Path, typer.Option(help="Made anew.")] = Path("demo-output"),
) -> None:
    """A province on this machine: server, three speakers, music, news, an emergency."""
    raise typer.Exit(demo(directory, once=once))


def _field(
    transport: str,
    listeners: int,
    against: str = "",
    *,
    ours: bool = True,
    profile: str = GCM,
    ptime_ms: int = 20,
) -> Field:
    names = [name.strip() for name in against.split(",") if name.strip()]
    if transport not in TRANSPORTS or profile not in PROFILES:
        raise typer.BadParameter(f"need one of {TRANSPORTS} and of {PROFILES}")
    try:
        return Field(transport, listeners, names, ours, ptime_ms, profile)
    except NoSuchPeer as error:
        raise typer.BadParameter(f"no such peer: {error}") from None


def _fanout(plan: fanout.Plan, field: Field) -> list[report.Row]:
    with field.openers() as openers:
        return fanout.run(plan, openers, console.print)


def _join(plan: join.Plan, field: Field) -> list[report.Row]:
    with field.openers() as openers:
        return join.run(plan, openers, console.print)


def _churn(plan: churn.Plan, field: Field) -> list[report.Row]:
    with field.openers() as openers:
        return churn.run(plan, openers, console.print)


def _preempt(field: Field, plan: preempt.Plan) -> list[report.Row]:
    with field.our_opener() as ours, ours() as server:
        return preempt.run(server, field.listeners, plan, console.print)


def _latency(seconds: float, rounds: int) -> list[report.Row]:
    with our_server(2) as ours:
        return latency.run(ours, seconds, rounds, console.print)


def _stalled(listeners: int, rounds: int) -> list[report.Row]:
    with our_server(listeners) as ours:
        return stalled.run(ours, listeners, rounds, console.print)


cli_speaker.register(app)
