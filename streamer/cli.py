"""The command `loacast`; imports what a command needs only when it runs.

The base install is a speaker: nothing of the server may be imported here.
"""

from __future__ import annotations

import importlib
import logging
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar
from urllib.parse import urlsplit, urlunsplit

import typer

import streamer

if TYPE_CHECKING:
    from streamer.config import Config

V = TypeVar("V")

app = typer.Typer(
    name="loacast",
    help="Low-latency live audio for public loudspeakers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may hold tokens
)
token_commands = typer.Typer(
    help="Tokens of people and programs.", no_args_is_help=True
)
app.add_typer(token_commands, name="token")
log_commands = typer.Typer(
    help="The as-run log: what was on air, where and when.", no_args_is_help=True
)
app.add_typer(log_commands, name="log")

LISTEN_PATH = "/v1/listen"
EXIT_FAILURE = 1
EXIT_USAGE = 2

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="TOML file with the settings' names.")
]
DataDirectory = Annotated[
    Path | None, typer.Option(help="Database, files, recordings. [loacast-data]")
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        "--database",
        help="SQLAlchemy async URL. [SQLite, data directory]",
    ),
]


class RoleName(StrEnum):
    """What a token may do; as in the store, which is not imported here."""

    ADMIN = "admin"
    OPERATOR = "operator"
    BROADCASTER = "broadcaster"
    MONITOR = "monitor"


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"loacast {streamer.__version__}")


@app.command()
def serve(  # noqa: PLR0913 - one for each option
    *,
    config: ConfigFile = None,
    data_directory: DataDirectory = None,
    database_url: DatabaseUrl = None,
    host: Annotated[str | None, typer.Option(help="Address. [0.0.0.0]")] = None,
    port: Annotated[
        int | None, typer.Option(help="API and pages; 0 for any. [8080]")
    ] = None,
    stream_port: Annotated[
        int | None, typer.Option(help="Speakers. [the port after the API's]")
    ] = None,
    webrtc: Annotated[
        bool | None, typer.Option(help="Whether one may listen by WebRTC. [yes]")
    ] = None,
    webrtc_host: Annotated[
        str | None, typer.Option(help="Address of the UDP port. [0.0.0.0]")
    ] = None,
    webrtc_port: Annotated[
        int | None, typer.Option(help="WebRTC, UDP. [the port after the speakers']")
    ] = None,
    public_address: Annotated[
        list[str] | None,
        typer.Option(help="By which listeners reach it; repeatable. [its own]"),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning, error. [info]")
    ] = None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    Every setting of `streamer/config.py` can also come from the TOML file or from
    the environment, e.g. LOACAST_MAX_PROGRAMMES=8.
    """
    settings = _load_config(
        config,
        data_directory=data_directory,
        database_url=database_url,
        host=host,
        api_port=port,
        stream_port=stream_port,
        webrtc=webrtc,
        webrtc_host=webrtc_host,
        webrtc_port=webrtc_port,
        public_addresses=tuple(public_address) if public_address else None,
        log_level=log_level,
    )
    raise typer.Exit(_server_module("streamer.app.process").run(settings))


@app.command()
def speaker(  # noqa: PLR0913 - one for each option
    *,
    url_argument: Annotated[
        str, typer.Argument(metavar="[URL]", help="Server, such as ws://host:8081.")
    ] = "",
    url: Annotated[str, typer.Option(help="The same, as an option.")] = "",
    credential: Annotated[
        str,
        typer.Option(
            envvar="LOACAST_CREDENTIAL",
            help="The speaker's own; better in the variable, where nobody sees it.",
        ),
    ] = "",
    credential_file: Annotated[
        Path | None, typer.Option(help="File that holds the credential.")
    ] = None,
    output: Annotated[
        str, typer.Option(help="sound-card[:NAME], wav[:PATH] or null.")
    ] = "sound-card",
    wav: Annotated[Path | None, typer.Option(help="PATH of the output wav.")] = None,
    ptime_ms: Annotated[
        int | None,
        typer.Option(help="Audio per message: 20, 40 or 60. [60; low-latency 20]"),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(help="synced: as all neighbours; low-latency: as soon as can be."),
    ] = "synced",
    transport: Annotated[
        str,
        typer.Option(help="What brings the audio: websocket, webrtc or auto."),
    ] = "websocket",
    api_url: Annotated[
        str | None,
        typer.Option(help="Server's API, for WebRTC behind a proxy. [as it says]"),
    ] = None,
    state_directory: Annotated[
        Path | None,
        typer.Option(
            envvar="STATE_DIRECTORY",
            help="What is planned is kept here, and played without the server. [none]",
        ),
    ] = None,
    signing_key: Annotated[
        str | None,
        typer.Option(help="Server's key, in base64. [that of the first server met]"),
    ] = None,
    prefetch_bytes_per_s: Annotated[
        int, typer.Option(min=1_000, help="What is kept is fetched no faster.")
    ] = 32_000,
    prefetch_spread: Annotated[
        float, typer.Option(min=0, max=1, help="0: at once, for one speaker alone.")
    ] = 1.0,
    cache_mib: Annotated[
        int, typer.Option(min=1, help="What is kept, at most.")
    ] = 1024,
    delay_ms: Annotated[
        int, typer.Option(min=0, max=1000, help="Play later than the neighbours.")
    ] = 0,
    on_air_command: Annotated[
        str, typer.Option(help="Run when something is about to sound, and ended.")
    ] = "",
    on_air_pre_ms: Annotated[
        int, typer.Option(min=0, max=30_000, help="So long before the first sample.")
    ] = 300,
    on_air_post_ms: Annotated[
        int, typer.Option(min=0, max=30_000, help="So long after the last one.")
    ] = 1_000,
    check: Annotated[
        bool, typer.Option("--check", help="Say what is wrong here, and end.")
    ] = False,
    order: Annotated[
        Path | None,
        typer.Option(help="Have the speaker of --state-directory obey this, and end."),
    ] = None,
    log_level: Annotated[str, typer.Option()] = "info",
) -> None:
    """Play what a server sends to this speaker, until SIGTERM or Ctrl-C."""
    module = importlib.import_module("clients.speaker.app")
    logging.basicConfig(level=log_level.upper(), format="%(levelname)s %(message)s")
    if order is not None:
        _drop_order(module, order, state_directory)
        return
    kind, _, detail = output.partition(":")
    config = module.SpeakerConfig(
        url=_listen_url(url or url_argument),
        credential=_credential(credential, credential_file),
        ptime_ms=None
        if ptime_ms is None
        else _one_of(ptime_ms, (20, 40, 60), "--ptime-ms"),
        mode=module.Mode(_one_of(mode, ("synced", "low-latency"), "--mode")),
        output=_one_of(kind.replace("-", ""), ("soundcard", "wav", "null"), "--output"),
        wav_path=Path(detail) if kind == "wav" and detail else wav,
        device_name=detail if kind != "wav" and detail else None,
        transport=module.Transport(
            _one_of(transport, ("websocket", "webrtc", "auto"), "--transport")
        ),
        api_url=_api_url(api_url),
        state_directory=state_directory,
        delay_ms=delay_ms,
        on_air=module.OnAirCommand(on_air_command, on_air_pre_ms, on_air_post_ms)
        if on_air_command
        else None,
        signing_key=signing_key,
        diet=module.Diet(cache_mib << 20, prefetch_bytes_per_s, prefetch_spread),
    )
    if check:
        raise typer.Exit(importlib.import_module("clients.speaker.check").main(config))
    raise typer.Exit(module.main(config))


@token_commands.command("create")
def create_token(
    *,
    name: Annotated[str, typer.Option(help="Whose token it is.")],
    role: Annotated[RoleName, typer.Option(help="What it may do.")],
    zone: Annotated[
        str | None, typer.Option(help="Zone it is bound to; a broadcaster needs one.")
    ] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, max=36_500)] = None,
    config: ConfigFile = None,
    data_directory: DataDirectory = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create a token and print it, once; a running server knows it at once."""
    if role is RoleName.BROADCASTER and zone is None:
        _fail("a broadcaster is bound to a zone: add --zone", EXIT_USAGE)
    settings = _load_config(
        config, data_directory=data_directory, database_url=database_url
    )
    expires_utc = None
    if expires_days is not None:
        expires_utc = datetime.now(UTC) + timedelta(days=expires_days)
    raise typer.Exit(
        _server_module("streamer.app.process").create_token(
            settings, name=name, role=role.value, zone_id=zone, expires_utc=expires_utc
        )
    )


@log_commands.command("verify")
def verify_log(
    *,
    expect: Annotated[
        list[str] | None,
        typer.Option(help="A head noted earlier, COUNT:HASH; repeatable."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A whole export as JSON lines instead.")
    ] = None,
    config: ConfigFile = None,
    data_directory: DataDirectory = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Tell whether the log was tampered with, and where; the exit status is 1 then."""
    settings = _load_config(
        config, data_directory=data_directory, database_url=database_url
    )
    module = _server_module("streamer.app.logbook")
    raise typer.Exit(module.verify(settings, expected=expect or (), file=file))


@log_commands.command("export")
def export_log(
    *,
    kind: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "jsonl",
    config: ConfigFile = None,
    data_directory: DataDirectory = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print the whole log; each line has its hash, and the last one is the head."""
    settings = _load_config(
        config, data_directory=data_directory, database_url=database_url
    )
    kind = _one_of(kind, ("csv", "jsonl"), "--format")
    raise typer.Exit(_server_module("streamer.app.logbook").export(settings, kind=kind))


@log_commands.command("coverage")
def tell_coverage(
    *,
    month: Annotated[str, typer.Option(help="Such as 2026-11.")],
    zone: Annotated[str | None, typer.Option(help="This and what is below.")] = None,
    config: ConfigFile = None,
    data_directory: DataDirectory = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Tell who received the broadcasts of a month, and who missed what."""
    settings = _load_config(
        config, data_directory=data_directory, database_url=database_url
    )
    module = _server_module("streamer.app.logbook")
    raise typer.Exit(module.coverage(settings, month=month, zone_id=zone))


def _drop_order(module: Any, order: Path, state_directory: Path | None) -> None:
    if state_directory is None:
        _fail("an order is for the speaker of a --state-directory", EXIT_USAGE)
    try:
        module.drop_order(order, state_directory)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}", EXIT_FAILURE)


def _listen_url(url: str) -> str:
    """Return *url* with the path that speakers ask for, unless it has one."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.netloc:
        _fail("name the server, such as ws://host:8081", EXIT_USAGE)
    path = parts.path if parts.path.strip("/") else LISTEN_PATH
    return urlunsplit(parts._replace(path=path))


def _api_url(url: str | None) -> str | None:
    if url is not None and urlsplit(url).scheme not in ("http", "https"):
        _fail("name the API, such as https://host", EXIT_USAGE)
    return url


def _credential(given: str, file: Path | None) -> str:
    if file is not None:
        try:
            given = file.read_text()
        except OSError as error:
            _fail(f"{file}: {error.strerror}", EXIT_USAGE)
    if not given.strip():
        _fail("no credential: --credential-file or LOACAST_CREDENTIAL", EXIT_USAGE)
    return given.strip()


def _one_of(value: V, allowed: tuple[V, ...], name: str) -> V:
    if value not in allowed:
        _fail(f"{name} is one of {', '.join(map(str, allowed))}", EXIT_USAGE)
    return value


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"loacast: {message}", err=True)
    raise typer.Exit(status)


def _load_config(file: Path | None, **given: Any) -> Config:
    module = _server_module("streamer.config")
    try:
        settings: Config = module.Config.load(file=file, **given)
    except module.ConfigError as error:
        _fail(str(error), EXIT_USAGE)
    return settings


def _server_module(name: str) -> Any:
    """Import a module of the server, or say how to get it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("streamer"):
            raise
        needed = error.name
    _fail(f"the server needs {needed}: pip install 'loacast[server]'", EXIT_FAILURE)
