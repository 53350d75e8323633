"""What can be set about a server: flags over environment over TOML file over defaults.

Environment variables begin with ``LOACAST_``; the file's keys are the fields' names.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, IPvAnyAddress, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

MIB = 1024 * 1024
MAX_RED_DISTANCE = 17
"Packets of 20 ms: RFC 2198, section 3, has 14 bits for a copy's age."


class ConfigError(Exception):
    """The configuration cannot be used; one line per fault, for the operator."""


class Config(BaseSettings):
    """Settings of one server. Port 0 means: any free one, printed at the start."""

    model_config = SettingsConfigDict(
        env_prefix="LOACAST_", extra="forbid", frozen=True, validate_default=True
    )

    name: str = Field("Loacast", min_length=1, max_length=100)
    "Shown to people who sign in."
    data_directory: Path = Path("loacast-data")
    "Database, files and recordings; one server at a time may use it."
    host: str = "0.0.0.0"
    api_port: int = Field(8080, ge=0, le=65_535)
    stream_port: int | None = Field(None, ge=0, le=65_535)
    "None: the port after the API's, or any when that is any."
    io_uring: bool = True
    "Send to many speakers by one system call, where the kernel lets us."
    webrtc: bool = True
    "Whether people and speakers may listen by WebRTC."
    webrtc_host: IPvAnyAddress = IPv4Address("0.0.0.0")
    "Not that of the API: a proxy before the API does not carry media."
    webrtc_port: int | None = Field(None, ge=0, le=65_535)
    "UDP. None: the port after the speakers', or any when that is any."
    public_addresses: tuple[IPvAnyAddress, ...] = ()
    "By which listeners reach `webrtc_host`, e.g. of the NAT. None: the machine's own."
    max_webrtc_listeners: int = Field(10_000, ge=1)
    red_distances: tuple[Annotated[int, Field(ge=1, le=MAX_RED_DISTANCE)], ...] = Field(
        (1,), max_length=4
    )
    "Which earlier packets each one repeats over WebRTC, counted back; none: no copies."
    database_url: str | None = None
    """None: a SQLite file in the data directory. One server at a time may use it.

    PostgreSQL must be reached without a pooler that shares sessions (PgBouncer's
    `transaction` mode): that it is claimed is bound to a session.
    """
    recordings_directory: Path | None = None
    "None: `recordings` in the data directory."
    record: bool = True

    max_programmes: int = Field(16, ge=1, le=256)
    "Broadcasts on air at once; each has its own media thread and encoder."
    max_file_bytes: int = Field(512 * MIB, ge=1)
    max_file_duration_s: int = Field(7200, ge=1)
    max_files: int = Field(1000, ge=1)

    relay_reach: Literal["public", "site", "any"] = "public"
    "Where stations may be that are relayed; `site`: in private networks, too."

    bitrate_bps: int = Field(32_000, ge=6_000, le=256_000)
    complexity: int = Field(10, ge=0, le=10)
    in_band_fec: bool = False
    expected_loss_percent: int = Field(0, ge=0, le=100)

    speakers_hold_h: int = Field(24, ge=1, le=168)
    "Speakers keep what is planned so far ahead, to play it without the server."

    heartbeat_s: int = Field(5, ge=1, le=60)
    "How exactly the end of a broadcast is known after the process was killed."
    shutdown_s: int = Field(10, ge=1, le=60)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what was given, then the environment, then the file."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))

    @classmethod
    def load(cls, *, file: Path | None = None, **given: Any) -> Self:
        """Return the settings; members of *given* that are None count as not given.

        Raises:
            ConfigError: A value is out of its range, a name is unknown, or *file*
                is not readable TOML.
        """
        if file is not None and not file.is_file():
            raise ConfigError(f"{file}: no such file")
        configured: type[Self] = cls
        if file is not None:
            configured = type(cls.__name__, (cls,), {}, toml_file=file)
        try:
            return configured(**{k: v for k, v in given.items() if v is not None})
        except ValidationError as error:
            raise ConfigError(_explain(error)) from error
        except ValueError as error:  # tomllib.TOMLDecodeError, a bad encoding
            raise ConfigError(f"{file}: {error}") from error

    @property
    def files_directory(self) -> Path:
        """Where uploaded audio lies."""
        return self.data_directory / "files"

    @property
    def effective_recordings_directory(self) -> Path:
        """Where recordings lie."""
        return self.recordings_directory or self.data_directory / "recordings"

    @property
    def effective_stream_port(self) -> int:
        """The port speakers connect to; 0 for any."""
        if self.stream_port is not None:
            return self.stream_port
        return self.api_port + 1 if self.api_port else 0

    @property
    def effective_webrtc_port(self) -> int:
        """The UDP port of WebRTC; 0 for any."""
        if self.webrtc_port is not None:
            return self.webrtc_port
        return self.effective_stream_port + 1 if self.effective_stream_port else 0

    @property
    def certificate_path(self) -> Path:
        """Where the key and the certificate of WebRTC lie."""
        return self.data_directory / "webrtc.pem"

    @property
    def signing_key_path(self) -> Path:
        """Where the key lies by which speakers know our documents."""
        return self.data_directory / "signing.pem"

    @property
    def renditions_directory(self) -> Path:
        """Where the files lie that speakers keep."""
        return self.data_directory / "renditions"

    @property
    def database_path(self) -> Path:
        """Where the SQLite database is when there is no other."""
        return self.data_directory.resolve() / "loacast.db"


def _explain(error: ValidationError) -> str:
    return "\n".join(
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    )
