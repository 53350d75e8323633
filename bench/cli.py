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
    coverage,
    fanout,
    join,
    preempt,
    publish,
    questions,
)
from bench.answering import JsonFile, answer, console
from bench.demo import demo
from bench.field import (
    TRANSPORTS,
    WEBRTC,
    WEBSOCKET,
    Field,
    NoSuchPeer,
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
Ptime = Annotated[
    int, typer.Option(help="Milliseconds a message: 20, or over websocket 40, 60.")
]
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
    ptime: Ptime = 20,
    against: Against = "",
    ours: Ours = True,
    srtp: Srtp = GCM,
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """CPU, memory and lateness per listener, beside peers (rows 1 to 5 and 8)."""
    field = _field(
        transport, listeners, against, ours=ours, profile=srtp, ptime_ms=ptime
    )
    plan = fanout.Plan(listeners, seconds, ptime, rounds, transport=field.transport)
    answer("fanout", partial(questions.fanout, plan, field, console.print), json)


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
    answer("join", partial(questions.join, plan, field, console.print), json)


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
    answer("churn", partial(questions.churn, plan, field, console.print), json)


@app.command("preempt")
def preempt_command(
    *,
    transport: Transport = WEBSOCKET,
    listeners: Listeners = 1000,
    trials: Annotated[int, typer.Option(min=1, help="Emergencies in a round.")] = 20,
    ptime: Ptime = 20,
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """Emergency accepted to its first packet at the slowest listener (row 6)."""
    field = _field(transport, listeners, ptime_ms=ptime)
    plan = preempt.Plan(trials, rounds, ptime)
    answer("preempt", partial(questions.preempt, field, plan, console.print), json)


@app.command("latency")
def latency_command(
    *,
    seconds: Annotated[float, typer.Option(min=5, help="Of chirps, a round.")] = 20,
    rounds: Rounds = 3,
    json: JsonFile = None,
) -> None:
    """Mouth to ear through a real speaker with a WAV file for a sound card (row 7)."""
    answer("latency", partial(questions.latency, seconds, rounds, console.print), json)


@app.command("stalled")
def stalled_command(
    *,
    listeners: Listeners = 500,
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """What listeners that stop reading do to the others (row 10)."""
    answer(
        "stalled", partial(questions.stalled, listeners, rounds, console.print), json
    )


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


@app.command("coverage")
def coverage_command(
    *,
    speakers: Annotated[int, typer.Option(min=1, help="Real ones.")] = 100,
    kill: Annotated[int, typer.Option(min=1, help="Of them, half-way.")] = 7,
    seconds: Annotated[float, typer.Option(min=2, help="Of the broadcast.")] = 30,
    keep: Annotated[
        Path | None, typer.Option(help="New directory for the server's data.")
    ] = None,
    json: JsonFile = None,
) -> None:
    """Who is listed as having missed a broadcast, when some speakers are killed."""
    if kill > speakers or (keep is not None and keep.exists()):
        raise typer.BadParameter("need --kill ≤ --speakers, and --keep to be new")
    plan = coverage.Plan(speakers, kill, seconds)
    question = partial(questions.coverage, plan, console.print, keep)
    answer("coverage", question, json)


@app.command("all")
def all_command(
    *,
    directory: Annotated[Path, typer.Option(help="Where the files go.")] = Path(
        "bench/results"
    ),
) -> None:
    """Every figure that README.md publishes, published; three quarters of an hour."""
    for name, question in questions.published(console.print).items():
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
    if ptime_ms not in (20, 40, 60) or (transport == WEBRTC and ptime_ms != 20):
        raise typer.BadParameter("need --ptime 20, or over websocket 40 or 60")
    try:
        return Field(transport, listeners, names, ours, ptime_ms, profile)
    except NoSuchPeer as error:
        raise typer.BadParameter(f"no such peer: {error}") from None


cli_speaker.register(app)
