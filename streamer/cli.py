"""The command `loacast`; imports what a command needs only when it runs.

The base install is a speaker: nothing of the server may be imported here.
"""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import streamer

if TYPE_CHECKING:
    from streamer.config import Config

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

EXIT_FAILURE = 1
EXIT_USAGE = 2

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="TOML file with the settings' names.")
]
DataDirectory = Annotated[
    Path | None, typer.Option(help="Database, files, recordings. [loacast-data]")
]
DatabaseUrl = Annotated[
    str | None, typer.Option(help="SQLAlchemy async URL. [SQLite, data directory]")
]


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"loacast {streamer.__version__}")


@app.command()
def serve(
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
        log_level=log_level,
    )
    raise typer.Exit(_server_module("streamer.app").run(settings))


@token_commands.command("create")
def create_token(
    *,
    name: Annotated[str, typer.Option(help="Whose token it is.")],
    role: Annotated[str, typer.Option(help="admin, operator, broadcaster, monitor.")],
    zone: Annotated[
        str | None, typer.Option(help="Zone it is bound to; a broadcaster needs one.")
    ] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, max=36_500)] = None,
    config: ConfigFile = None,
    data_directory: DataDirectory = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create a token and print it, once; a running server knows it at once."""
    settings = _load_config(
        config, data_directory=data_directory, database_url=database_url
    )
    expires_utc = None
    if expires_days is not None:
        expires_utc = datetime.now(UTC) + timedelta(days=expires_days)
    raise typer.Exit(
        _server_module("streamer.app").create_token(
            settings, name=name, role=role, zone_id=zone, expires_utc=expires_utc
        )
    )


def _load_config(file: Path | None, **given: Any) -> Config:
    module = _server_module("streamer.config")
    try:
        settings: Config = module.Config.load(file=file, **given)
    except module.ConfigError as error:
        typer.echo(f"loacast: {error}", err=True)
        raise typer.Exit(EXIT_USAGE) from None
    return settings


def _server_module(name: str) -> Any:
    """Import a module of the server, or say how to get it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("streamer"):
            raise
        typer.echo(
            f"loacast: the server needs {error.name}: pip install 'loacast[server]'",
            err=True,
        )
        raise typer.Exit(EXIT_FAILURE) from None
