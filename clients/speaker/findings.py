"""What a self-test found, in words for whoever stands at the pole (pure).

Each is said in English and in Vietnamese, with what to do about it.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from websockets.exceptions import InvalidStatus, NegotiationError, WebSocketException

CLOCK_LIMIT_S = 2.0
"A speaker that plays from its own store is heard beside others that do not."
LEAST_FREE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    english: str
    vietnamese: str
    counts: bool = True
    "Whether it makes the test fail: what is not used need not work."

    def lines(self) -> list[str]:
        """Return it as it is shown."""
        mark = "ok  " if self.ok else ("FAIL" if self.counts else "note")
        return [f"{mark}  {self.name}: {self.english}", f"      {self.vietnamese}"]


def server_refused(  # noqa: PLR0911 - a table of errors and what they mean
    error: Exception, *, host: str, port: int, encrypted: bool
) -> Finding:
    """Return what an attempt to reach the stream port that failed means."""
    if isinstance(error, InvalidStatus):
        return _status(error.response.status_code, bytes(error.response.body))
    if isinstance(error, ssl.SSLCertVerificationError):
        return Finding(
            "encryption",
            False,
            f"the server's certificate is not trusted ({error.verify_message})."
            " Is the clock right, and the name the one in the certificate?",
            "Chứng chỉ của máy chủ không đáng tin. Kiểm tra đồng hồ và tên máy chủ.",
        )
    # A server without TLS hangs up on the first encrypted byte.
    hung_up = encrypted and isinstance(error, ConnectionResetError)
    if hung_up or isinstance(error, ssl.SSLError):
        return Finding(
            "encryption",
            False,
            f"no encrypted connection to {host}:{port}. Use ws:// if the server has"
            " no TLS.",
            "Không kết nối mã hoá được. Nếu máy chủ không dùng TLS, hãy dùng ws://.",
        )
    if isinstance(error, TimeoutError):
        return Finding(
            "stream port",
            False,
            f"no answer from {host}, TCP port {port}: a firewall, or the server is"
            " off. Have this port opened.",
            f"Không có trả lời từ cổng TCP {port}: tường lửa chặn hoặc máy chủ tắt.",
        )
    if isinstance(error, ConnectionRefusedError):
        return Finding(
            "stream port",
            False,
            f"nobody listens at {host}, TCP port {port}. Is the port right, and the"
            " server running?",
            f"Không có dịch vụ ở cổng TCP {port}. Kiểm tra số cổng và máy chủ.",
        )
    if isinstance(error, NegotiationError | WebSocketException):
        return Finding(
            "stream port",
            False,
            f"{host}:{port} is no Loacast server, or one of another version"
            f" ({error}). Is it the port for speakers (8081)?",
            "Không phải máy chủ Loacast, hoặc khác phiên bản. Kiểm tra cổng (8081).",
        )
    reason = getattr(error, "strerror", None) or str(error)
    return Finding(
        "stream port",
        False,
        f"{host}, TCP port {port}: {reason}. Is there a network?",
        f"Không kết nối được cổng TCP {port}. Kiểm tra mạng, SIM và ăng-ten.",
    )


def _status(status: int, body: bytes) -> Finding:
    if status in (401, 403):
        return Finding(
            "credential",
            False,
            f"the server refused it (HTTP {status}): mistyped, renewed or revoked."
            " Issue a new one for this speaker.",
            "Máy chủ từ chối mã của loa: gõ sai hoặc bị thu hồi. Hãy cấp mã mới.",
        )
    detail = body.decode(errors="replace").strip()[:80]
    return Finding(
        "stream port",
        False,
        f"the server refused (HTTP {status}): {detail or 'no reason given'}",
        f"Máy chủ từ chối (HTTP {status}). Thử lại sau hoặc kiểm tra địa chỉ.",
    )


def name_not_found(host: str, error: socket.gaierror) -> Finding:
    """Return what a name that has no address means."""
    return Finding(
        "name",
        False,
        f"{host!r} has no address ({error.strerror}). Is it spelt right, is there a"
        " network, does DNS work?",
        f"Không tìm thấy địa chỉ của {host!r}. Kiểm tra tên, mạng và DNS.",
    )


def clock(off_s: float | None) -> Finding:
    """Return what the difference between our UTC and the server's means."""
    if off_s is None:
        return Finding(
            "clock",
            True,
            "the server does not tell its UTC; not compared",
            "Máy chủ không báo giờ; không so sánh.",
        )
    if abs(off_s) <= CLOCK_LIMIT_S:
        return Finding(
            "clock", True, f"right to {abs(off_s):.1f} s", "Đồng hồ của máy đúng."
        )
    way = "slow" if off_s > 0 else "fast"
    return Finding(
        "clock",
        False,
        f"{abs(off_s):.0f} s {way}, compared with the server's. Have it set by NTP"
        " (timedatectl set-ntp true); live sound does not need it, offline does.",
        f"Đồng hồ của máy lệch {abs(off_s):.0f} giây. Hãy bật NTP.",
    )


def udp(port: int, *, answered: bool, counts: bool) -> Finding:
    """Return what a binding request over UDP, or its silence, means."""
    if answered:
        return Finding(
            "WebRTC port", True, f"UDP {port} answers", f"Cổng UDP {port} thông."
        )
    return Finding(
        "WebRTC port",
        False,
        f"no answer from UDP port {port}: a firewall, or the server has no WebRTC."
        " The WebSocket serves without it.",
        f"Cổng UDP {port} không trả lời. Vẫn nghe được qua WebSocket.",
        counts=counts,
    )


def directory(path: str, error: OSError | None, free_bytes: int) -> Finding:
    """Return what trying to write into the state directory means."""
    if error is not None:
        return Finding(
            "state directory",
            False,
            f"{path} cannot be written to: {error.strerror or error}. Free some"
            " space, or mount it writable, or name another one.",
            f"Không ghi được vào {path}. Giải phóng ổ đĩa hoặc chọn thư mục khác.",
        )
    if free_bytes < LEAST_FREE_BYTES:
        return Finding(
            "state directory",
            False,
            f"{path} has only {free_bytes >> 20} MiB left. Free some space.",
            f"{path} chỉ còn {free_bytes >> 20} MiB. Hãy giải phóng ổ đĩa.",
        )
    return Finding(
        "state directory",
        True,
        f"{path} is writable, {free_bytes >> 20} MiB free",
        f"Ghi được vào {path}.",
    )


def sound(name: str, error: Exception | None) -> Finding:
    """Return what trying the output means."""
    if error is None:
        return Finding("sound", True, f"{name} takes 48 kHz", "Có thể phát âm thanh.")
    return Finding(
        "sound",
        False,
        f"no sound on {name}: {error}. Is the card plugged in, and are you in the"
        " group audio? `aplay -l` lists the cards.",
        "Không có card âm thanh. Kiểm tra dây cắm và quyền (nhóm audio).",
    )


def codec(version: str | None, error: Exception | None) -> Finding:
    """Return what trying to decode means."""
    if error is None:
        return Finding("codec", True, f"{version}", "Giải mã Opus tốt.")
    return Finding(
        "codec",
        False,
        f"libopus does not work: {error}. Install it (Debian: libopus0).",
        "Thiếu thư viện libopus. Hãy cài libopus0.",
    )
