"""A data directory with the sample province and thousands of speakers.

Written through the server's own store, before any server starts: enrolling 6,000
speakers through the API would take longer than measuring them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.province import ZONES, village_of
from bench.server import Seeded
from streamer.config import Config
from streamer.store.credentials import Credential, CredentialKind, issue
from streamer.store.database import sqlite_url
from streamer.store.records import Role, Speaker, Token
from streamer.store.store import Store


def seed(directory: Path, speakers: int) -> Seeded:
    """Fill *directory*, which may not exist, with *speakers*; return what to use."""
    directory.mkdir(parents=True, exist_ok=True)
    credentials = [issue(CredentialKind.SPEAKER) for _ in range(speakers)]
    token = issue(CredentialKind.TOKEN)
    asyncio.run(_fill(directory, credentials, token))
    return Seeded(
        directory, [str(credential) for credential in credentials], str(token)
    )


async def _fill(
    directory: Path, credentials: Sequence[Credential], token: Credential
) -> None:
    now_utc = datetime.now(UTC)
    url = sqlite_url(Config.load(data_directory=directory).database_path)
    async with Store(url) as store:
        await store.zones.create_many(ZONES)
        await store.speakers.create_many(
            [_speaker(place, one, now_utc) for place, one in enumerate(credentials)]
        )
        await store.tokens.create(
            Token(
                id=token.id,
                name="bench",
                role=Role.ADMIN,
                secret_hash=token.secret_hash,
                created_utc=now_utc,
            )
        )


def _speaker(place: int, credential: Credential, now_utc: datetime) -> Speaker:
    return Speaker(
        id=credential.id,
        name=f"Cụm loa {place + 1}",
        zone_id=village_of(place).id,
        secret_hash=credential.secret_hash,
        created_utc=now_utc,
    )
