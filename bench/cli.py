"""The commands of `python -m bench`; README.md says how each measures."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from bench import fanout, latency, machine, preempt, publish, report, stalled
from bench.contender import Peer
from bench.demo import demo
from bench.processes import cores
from bench.seed import seed
from bench.server import Server

app = typer.Typer(
    help="Measure Loacast and its peers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(stderr=True, highlight=False)

Question: TypeAlias = Callable[[], list[report.Row]]

README = Path(__file__).with_name("README.md")
_commit = cache(machine.commit)  # before a results file of an earlier run is changed

PEERS = {"floor": "floor", "websockets": "broadcast"}
"What `--against` takes, and the module of `bench.peers` behind it."

JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Where to write what was found.")
]
Listeners = Annotated[int, typer.Option(min=1, help="How many speakers listen.")]
Rounds = Annotated[
    int, typer.Option(min=1, help="Counted ones; one more is run and dropped.")
]


@app.command("fanout")
def fanout_command(
    *,
    transport: Annotated[
        str, typer.Option(help="Only websocket, so far.")
    ] = "websocket",
    listeners: Listeners = 1000,
    seconds: Annotated[float, typer.Option(min=1, help="Measured in a round.")] = 10,
    ptime: Annotated[
        int, typer.Option(help="Milliseconds a message: 20, 40, 60.")
    ] = 20,
    against: Annotated[
        str, typer.Option(help="Peers, by comma: floor,websockets.")
    ] = "",
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """CPU, memory and lateness per listener, beside peers (rows 2 to 5 and 8)."""
    peers = [name.strip() for name in against.split(",") if name.strip()]
    if transport != "websocket" or ptime not in (20, 40, 60):
        raise typer.BadParameter("need --transport websocket and --ptime 20, 40 or 60")
    if unknown := set(peers) - set(PEERS):
        raise typer.BadParameter(f"no such peer: {', '.join(sorted(unknown))}")
    plan = fanout.Plan(listeners, seconds, ptime, rounds)
    _answer("fanout", partial(_fanout, plan, peers), json)


@app.command("preempt")
def preempt_command(
    *,
    listeners: Listeners = 1000,
    trials: Annotated[int, typer.Option(min=1, help="Emergencies in a round.")] = 20,
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """Emergency accepted to its first packet at the slowest listener (row 6)."""
    _answer("preempt", partial(_preempt, listeners, preempt.Plan(trials, rounds)), json)


@app.command("latency")
def latency_command(
    *,
    seconds: Annotated[float, typer.Option(min=5, help="Of chirps, a round.")] = 20,
    rounds: Rounds = 3,
    json: JsonFile = None,
) -> None:
    """Mouth to ear through a real speaker with a WAV file for a sound card (row 7)."""
    _answer("latency", partial(_latency, seconds, rounds), json)


@app.command("stalled")
def stalled_command(
    *,
    listeners: Listeners = 500,
    rounds: Rounds = 5,
    json: JsonFile = None,
) -> None:
    """What listeners that stop reading do to the others (row 10)."""
    _answer("stalled", partial(_stalled, listeners, rounds), json)


@app.command("all")
def all_command(
    *,
    directory: Annotated[Path, typer.Option(help="Where the files go.")] = Path(
        "bench/results"
    ),
) -> None:
    """Every figure that README.md publishes, and publish it; a quarter of an hour."""
    questions: dict[str, Question] = {
        "fanout-1000": partial(_fanout, fanout.Plan(1000, 10), list(PEERS)),
        "fanout-2000": partial(_fanout, fanout.Plan(2000, 10), []),
        "fanout-6000": partial(_fanout, fanout.Plan(6000, 10, 60), []),
        "preempt": partial(_preempt, 1000, preempt.Plan()),
        "latency": partial(_latency, 20, 3),
        "stalled": partial(_stalled, 500, 5),
    }
    for name, question in questions.items():
        console.rule(name)
        _answer(name.split("-")[0], question, directory / f"{name}.json")
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


def _answer(bench: str, question: Question, file: Path | None) -> None:
    """Measure, show and write; the machine is looked at before it is loaded."""
    commit, before = _commit(), machine.describe()
    content = report.document(bench, commit, before, question())
    report.show(Console(), content)
    if file is not None:
        report.write(file, content)
        console.print(f"written to {file}")


def _fanout(plan: fanout.Plan, peers: Sequence[str]) -> list[report.Row]:
    with _our_server(plan.listeners) as ours:
        openers: list[fanout.Opener] = [ours]
        for name in peers:
            openers.append(
                partial(
                    Peer,
                    name,
                    PEERS[name],
                    listeners=plan.listeners,
                    ptime_ms=plan.ptime_ms,
                    core=cores()[0],
                )
            )
        return fanout.run(plan, openers, console.print)


def _preempt(listeners: int, plan: preempt.Plan) -> list[report.Row]:
    with _our_server(listeners) as ours, ours() as server:
        return preempt.run(server, listeners, plan, console.print)


def _latency(seconds: float, rounds: int) -> list[report.Row]:
    with _our_server(2) as ours:
        return latency.run(ours, seconds, rounds, console.print)


def _stalled(listeners: int, rounds: int) -> list[report.Row]:
    with _our_server(listeners) as ours:
        return stalled.run(ours, listeners, rounds, console.print)


@contextmanager
def _our_server(listeners: int) -> Iterator[partial[Server]]:
    """Yield what starts our server, on its own core, with *listeners* enrolled."""
    _prepare_process()
    with tempfile.TemporaryDirectory(prefix="loacast-bench-") as scratch:
        seeded = seed(Path(scratch) / "seeded", listeners)
        yield partial(Server, seeded, core=cores()[0])


def _prepare_process() -> None:
    """Leave the server's core alone, and let children open thousands of sockets."""
    os.sched_setaffinity(0, {cores()[1]})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
