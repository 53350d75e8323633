"""The server's API as the bench uses it: a thin client that raises on a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import httpx

Json: TypeAlias = dict[str, Any]
TIMEOUT_S = 20.0


class ApiRefused(Exception):
    """The server answered with an error; holds what it said."""


class Api:
    """One token's access to one server; a context manager.

    Args:
        url: Such as ``http://127.0.0.1:8080``.
        token: An admin's.
    """

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
            trust_env=False,  # no proxy stands between us and this machine
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str) -> Any:
        """Return what stands at ``/api/v1/…``."""
        return self._ask("GET", f"/api/v1/{path}").json()

    def post(self, path: str, body: Json | None = None) -> Json:
        """Post *body* to ``/api/v1/…``; return the answer."""
        answer: Json = self._ask("POST", f"/api/v1/{path}", json=body).json()
        return answer

    def patch(self, path: str, body: Json) -> Json:
        """Change what stands at ``/api/v1/…``; return the answer."""
        answer: Json = self._ask("PATCH", f"/api/v1/{path}", json=body).json()
        return answer

    def download(self, path: str) -> bytes:
        """Return the bytes at ``/api/v1/…``."""
        return self._ask("GET", f"/api/v1/{path}").content

    def upload(self, name: str, content: bytes) -> str:
        """Hand in an audio file; return its id."""
        where = f"/api/v1/files?name={name}"
        return str(self._ask("POST", where, content=content).json()["id"])

    def start_file(self, file_id: str, zone_ids: Sequence[str]) -> Json:
        """Start a broadcast of an uploaded file; return it."""
        body = {
            "source": {"kind": "file", "file_id": file_id},
            "zone_ids": list(zone_ids),
            "class": "normal",
            "title": "bench",
        }
        return self.post("broadcasts", body)

    def start_tone(
        self,
        pattern: str,
        zone_ids: Sequence[str],
        programme_class: str,
        *,
        title: str = "bench",
        duration_s: float | None = None,
    ) -> Json:
        """Start a broadcast of a generated tone; return it."""
        source: Json = {"kind": "tone", "pattern": pattern}
        if duration_s is not None:
            source["duration_s"] = duration_s
        body = {
            "source": source,
            "zone_ids": list(zone_ids),
            "class": programme_class,
            "title": title,
        }
        return self.post("broadcasts", body)

    def metric(self, name: str) -> float:
        """Return the sum of a series over its labels, from ``/metrics``.

        Raises:
            KeyError: There is no such series.
        """
        lines = self._ask("GET", "/metrics").text.splitlines()
        values = [
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{"))
        ]
        # A series with labels has no value before the first event.
        if not any(line.startswith(f"# TYPE {name} ") for line in lines):
            raise KeyError(name)
        return sum(values)

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self._client.request(method, path, **options)
        if answer.is_error:
            raise ApiRefused(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer
