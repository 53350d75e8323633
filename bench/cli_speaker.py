"""The commands of `python -m bench` that try the speaker; README.md says how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench import drift, impaired, plot, report, stall, sync
from bench.answering import JsonFile, answer, console
from bench.field import TRANSPORTS, WEBRTC, WEBSOCKET
from bench.impair import PROFILES
from bench.theatre import Setting

MODES = ("synced", "low-latency")

Profile = Annotated[str, typer.Option(help=", ".join(PROFILES))]
Transport = Annotated[str, typer.Option(help="websocket or webrtc.")]
Seed = Annotated[str, typer.Option(help="Of the link: which packets it loses.")]
DelayMs = Annotated[int, typer.Option("--delay-ms", min=0, help="D.")]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    commands: dict[str, Callable[..., None]] = {
        "impair": impair_command,
        "sync": sync_command,
        "drift": drift_command,
        "stall": stall_command,
    }
    for name, command in commands.items():
        app.command(name)(command)


def impair_command(  # noqa: PLR0913 – as many options as the question has
    *,
    profile: Profile = "s1",
    transport: Transport = WEBRTC,
    mode: Annotated[str, typer.Option(help="synced or low-latency.")] = MODES[0],
    seconds: Annotated[float, typer.Option(min=15, help="Of speech.")] = 120,
    delay_ms: DelayMs = 1000,
    red: Annotated[
        str,
        typer.Option(
            help="Distances of copies: none, 1 or 1,5; several: 'none;1;1,5'."
        ),
    ] = "",
    seed: Seed = "loacast",
    outage_after: Annotated[
        float | None, typer.Option(help="Seconds from the link's start to an outage.")
    ] = None,
    aiortc: Annotated[bool, typer.Option(help="Its receiver beside ours.")] = True,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", help="PNG of the run.")
    ] = None,
    json: JsonFile = None,
) -> None:
    """Concealment, delay and quality of speech through a bad link (row 12)."""
    _check(profile, transport)
    if mode not in MODES:
        raise typer.BadParameter(f"need one of {MODES}")
    setting = Setting(
        profile, transport, mode, delay_ms, seed=seed, outage_s=outage_after
    )
    plan = impaired.Plan(setting, seconds, aiortc)
    if red:
        choices = [_distances(choice) for choice in red.split(";")]
        question = partial(impaired.compare, plan, choices, console.print)
    else:
        question = partial(_impaired, plan, plot_file)
    answer("impair", question, json)


def sync_command(  # noqa: PLR0913 – as many options as the question has
    *,
    speakers: Annotated[int, typer.Option(min=2, max=8)] = 2,
    ppm: Annotated[float, typer.Option(help="Devices are wrong by ± this.")] = 100,
    profile: Profile = "s1",
    transport: Transport = WEBSOCKET,
    seconds: Annotated[int, typer.Option(min=15, help="Of chirps.")] = 120,
    delay_ms: DelayMs = 1000,
    seed: Seed = "loacast",
    json: JsonFile = None,
) -> None:
    """How far apart speakers sound whose clocks are wrong (row 13)."""
    _check(profile, transport)
    setting = Setting(profile, transport, playout_delay_ms=delay_ms, seed=seed)
    plan = sync.Plan(setting, speakers, ppm, seconds)
    answer("sync", partial(sync.run, plan, console.print), json)


def drift_command(
    *,
    hours: Annotated[float, typer.Option(min=0.1, help="Of the device's time.")] = 2,
    ppm: Annotated[float, typer.Option(help="Wrong by + and - this.")] = 100,
    json: JsonFile = None,
) -> None:
    """Hours with a sound card whose clock is wrong, faster than they pass."""
    answer("drift", partial(drift.run, drift.Plan(hours, ppm), console.print), json)


def stall_command(
    *,
    freeze_s: Annotated[float, typer.Option(min=0.5)] = 3,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    delay_ms: DelayMs = 1000,
    json: JsonFile = None,
) -> None:
    """A TCP link that freezes while a speaker plays."""
    plan = stall.Plan(freeze_s, rounds, delay_ms)
    answer("stall", partial(stall.run, plan, console.print), json)


def _impaired(plan: impaired.Plan, plot_file: Path | None) -> list[report.Row]:
    rows, traces = impaired.run(plan, console.print)
    if plot_file is not None and traces:
        _draw(plot_file, plan, rows, traces)
    return rows


def _draw(
    file: Path,
    plan: impaired.Plan,
    rows: Sequence[report.Row],
    traces: Sequence[impaired.Trace],
) -> None:
    if (why := plot.unfit()) is not None:
        console.print(f"no plot: {why}")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    plot.draw(file, plan, rows, traces)
    console.print(f"drawn in {file}")


def _check(profile: str, transport: str) -> None:
    if profile not in PROFILES or transport not in TRANSPORTS:
        raise typer.BadParameter(f"need one of {tuple(PROFILES)} and of {TRANSPORTS}")


def _distances(text: str) -> tuple[int, ...]:
    if text.strip() == "none":
        return ()
    try:
        return tuple(int(each) for each in text.split(",") if each.strip())
    except ValueError:
        raise typer.BadParameter(f"{text} is no list of distances") from None
