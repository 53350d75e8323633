"""Tests of ingest.file with real files, damaged ones included."""

from __future__ import annotations

import re
import struct
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from ingest.audiofile import AudioFile
from ingest.file import (
    AHEAD_SAMPLES,
    FileSource,
    FileTooLongError,
    UnsupportedAudioError,
    probe,
)
from ingest.tone import render
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.opus import OpusEncoder
from streamer.media.source import SourceFailed
from streamer.programme.ogg import OggOpusStream, crc32

Encode = Callable[..., Path]
SPEECH = render("bulletin", 0, 2 * SAMPLE_RATE_HZ)


def play(
    path: Path, frame: int = FRAME_SAMPLES, start: int = 0, stop: int | None = None
) -> Pcm:
    """Read all of a file, or a part, as fast as its decoder goes."""
    source = FileSource.open(
        path, patience_s=5.0, start_samples=start, stop_samples=stop
    )
    parts = [silence(0)]
    try:
        while len(part := source.read(frame)):
            parts.append(part)
    finally:
        source.close()
    return np.concatenate(parts)


def hear_until_it_fails(source: FileSource) -> tuple[Pcm, str]:
    parts = [silence(0)]
    try:
        while len(part := source.read(FRAME_SAMPLES)):
            parts.append(part)
    except SourceFailed as failure:
        return np.concatenate(parts), str(failure)
    return np.concatenate(parts), ""


class SlowDisk:
    """A file of which every piece comes when it is let through."""

    def __init__(self, pieces: list[Pcm]) -> None:
        self._pieces = pieces
        self._allowed = threading.Semaphore(0)
        self.closed = False

    def let_through(self, pieces: int) -> None:
        self._allowed.release(pieces)

    def pcm(self) -> Iterator[Pcm]:
        for piece in self._pieces:
            self._allowed.acquire()
            yield piece

    def close(self) -> None:
        self.closed = True


def likeness(heard: Pcm, sent: Pcm) -> tuple[int, float]:
    products = correlate(heard, sent, mode="full", method="fft")
    lag = int(np.argmax(products)) - len(sent) + 1
    return lag, float(products.max() / np.linalg.norm(heard) / np.linalg.norm(sent))


def write_wav(path: Path, samples: np.ndarray, rate: int, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def test_a_title_in_an_old_code_page_does_no_harm(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "old.wav", np.arange(4000), SAMPLE_RATE_HZ)
    wav = path.read_bytes()
    title = (
        b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"\xbc"
    )
    path.write_bytes(wav[:36] + title + b"\xcf\xc0\0" + wav[36:])
    assert probe(path, max_duration_s=1).codec == "pcm_s16le"
    assert len(play(path)) == 4000


@given(frames=st.lists(st.integers(-32768, 32767), min_size=1, max_size=3000))
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_law_wav_is_heard_bit_for_bit(tmp_path: Path, frames: list[int]) -> None:
    sent = np.array(frames)
    heard = play(write_wav(tmp_path / "exact.wav", sent, SAMPLE_RATE_HZ), frame=777)
    np.testing.assert_array_equal(heard, (sent / 32768).astype(np.float32))


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_layout_keeps_first_and_last_sample(
    tmp_path: Path, rate: int, channels: int
) -> None:
    time_s = np.arange(rate) / rate  # exactly a second
    tone = 0.5 * np.cos(2 * np.pi * 1000 * time_s)
    sent = np.repeat(tone * 32767, channels)
    heard = play(write_wav(tmp_path / "tone.wav", sent, rate, channels))
    wanted = 0.5 * np.cos(2 * np.pi * 1000 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    assert abs(len(heard) - SAMPLE_RATE_HZ) <= 1
    # Within a filter's length of the edges the tone is cut, but it is there.
    middle = slice(500, SAMPLE_RATE_HZ - 500)
    np.testing.assert_allclose(heard[middle], wanted[middle], atol=2e-3)
    assert heard[0] > 0.2
    assert np.abs(heard[-48:]).max() > 0.2


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.mp3", "libmp3lame", 44_100, "stereo"),
        ("a.mp3", "libmp3lame", 24_000, "mono"),
        ("a.m4a", "aac", 48_000, "stereo"),
        ("a.opus", "libopus", 48_000, "mono"),
        ("a.ogg", "libopus", 48_000, "stereo"),
        ("a.flac", "flac", 44_100, "stereo"),
        ("a.flac", "flac", 96_000, "5.1"),
        ("a.mkv", "aac", 44_100, "stereo"),
        ("renamed.txt", "libmp3lame", 48_000, "mono"),
    ],
)
def test_every_format_is_heard_from_its_first_sample(
    encode: Encode, name: str, codec: str, rate: int, layout: str
) -> None:
    real = name.replace(".txt", ".mp3")
    path = encode(real, codec, SPEECH, rate, layout)
    path = path.rename(path.with_name(name))
    info = probe(path, max_duration_s=60)
    assert info.duration_s == pytest.approx(2.0, abs=0.1)
    assert info.sample_rate_hz == rate
    assert info.channels == {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    heard = play(path)
    assert -1 <= len(heard) - len(SPEECH) <= 1024  # AAC states no end within a frame
    lag, alike = likeness(heard, SPEECH)
    assert abs(lag) <= 1
    assert alike > 0.95


class TestProbe:
    """What cannot be broadcast is refused, saying why."""

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("text.mp3", b"Good evening, this is no music at all.\n" * 300),
            ("empty.mp3", b""),
            ("noise.wav", bytes(np.random.default_rng(1).bytes(50_000))),
            ("list.m3u8", b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n"),
            ("list.mp3", b"ffconcat version 1.0\nfile /etc/passwd\n"),
            ("words.srt", b"1\n00:00:01,000 --> 00:00:02,000\nno sound\n\n"),
            ("head.wav", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"),
        ],
    )
    def test_refuses_what_is_no_audio(
        self, tmp_path: Path, name: str, content: bytes
    ) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UnsupportedAudioError):
            probe(path, max_duration_s=60)

    def test_refuses_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedAudioError, match="nowhere"):
            probe(tmp_path / "nowhere.mp3", max_duration_s=60)

    def test_refuses_a_file_without_audio_track(self, tmp_path: Path) -> None:
        gif = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
        (tmp_path / "picture.mp4").write_bytes(gif)
        with pytest.raises(UnsupportedAudioError):
            probe(tmp_path / "picture.mp4", max_duration_s=60)

    def test_refuses_a_truncated_file_of_which_nothing_decodes(
        self, encode: Encode
    ) -> None:
        path = encode("a.mp3", "libmp3lame", SPEECH)
        path.write_bytes(path.read_bytes()[:150])
        with pytest.raises(UnsupportedAudioError):
            probe(path, max_duration_s=60)

    @pytest.mark.parametrize("rate_hz", [1, 4_000_000_000])
    def test_refuses_an_absurd_sample_rate(self, tmp_path: Path, rate_hz: int) -> None:
        path = write_wav(tmp_path / "a.wav", np.zeros(4000), SAMPLE_RATE_HZ)
        wav = bytearray(path.read_bytes())
        wav[24:28] = struct.pack("<I", rate_hz)
        path.write_bytes(wav)
        with pytest.raises(UnsupportedAudioError):
            probe(path, max_duration_s=1e9)

    def test_three_hours_are_too_long_for_two(self, tmp_path: Path) -> None:
        path = write_wav(tmp_path / "long.wav", np.zeros(3 * 3600 * 8000), 8000)
        with pytest.raises(FileTooLongError, match="7200"):
            probe(path, max_duration_s=7200)
        info = probe(path, max_duration_s=4 * 3600)
        assert info.duration_s == pytest.approx(3 * 3600)

    def test_a_header_that_lies_about_the_length_is_not_believed(
        self, encode: Encode
    ) -> None:
        path = encode("a.flac", "flac", SPEECH)
        flac = bytearray(path.read_bytes())
        # STREAMINFO's 36-bit count of samples (RFC 9639, section 8.2).
        flac[21] &= 0xF0
        flac[22:26] = struct.pack(">I", 1000)
        path.write_bytes(flac)
        with pytest.raises(FileTooLongError):
            probe(path, max_duration_s=1)
        flac[22:26] = bytes(4)  # unknown
        path.write_bytes(flac)
        with pytest.raises(FileTooLongError):
            probe(path, max_duration_s=1)


class TestFileSource:
    """Plays to the end, or until the damage."""

    def test_a_file_cut_in_the_middle_plays_until_there_and_says_so(
        self, encode: Encode
    ) -> None:
        path = encode("cut.flac", "flac", SPEECH)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        source = FileSource.open(path, patience_s=5.0)
        pcm, failure = hear_until_it_fails(source)
        source.close()
        assert re.match(r"cut\.flac (is damaged|breaks off) at", failure)
        assert len(pcm) > 0.6 * SAMPLE_RATE_HZ
        np.testing.assert_allclose(pcm, SPEECH[: len(pcm)], atol=1e-4)

    @given(
        kind=st.sampled_from(
            [("f.mp3", "libmp3lame"), ("f.m4a", "aac"), ("f.flac", "flac")]
        ),
        seed=st.integers(0, 10**6),
        flips=st.integers(1, 200),
        cut=st.booleans(),
    )
    @settings(
        max_examples=100,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_fuzz_corruption_ends_in_sound_or_in_a_clear_error(
        self, encode: Encode, kind: tuple[str, str], *, seed: int, flips: int, cut: bool
    ) -> None:
        path = encode(*kind, SPEECH[:24_000])
        content = bytearray(path.read_bytes())
        rng = np.random.default_rng(seed)
        for place in rng.integers(0, len(content), flips):
            content[place] = rng.integers(256)
        if cut:
            del content[int(rng.integers(len(content))) :]
        path.write_bytes(content)
        try:
            probe(path, max_duration_s=3600)
            heard = play(path)
        except SourceFailed:
            return
        assert np.isfinite(heard).all()

    def test_decodes_only_a_few_seconds_ahead(self, tmp_path: Path) -> None:
        path = write_wav(tmp_path / "long.wav", np.zeros(600 * 8000), 8000)
        source = FileSource.open(path)
        held = source._ahead._held_samples
        assert AHEAD_SAMPLES // 2 <= held <= 1.5 * AHEAD_SAMPLES
        source.close()

    def test_finish_ends_and_close_lets_the_thread_go(self, tmp_path: Path) -> None:
        before = threading.active_count()
        path = write_wav(tmp_path / "long.wav", np.zeros(600 * 8000), 8000)
        source = FileSource.open(path)
        assert threading.active_count() == before + 1
        assert len(source.read(960)) == 960
        source.finish()
        assert len(source.read(960)) == 0
        source.close()
        source.close()
        assert threading.active_count() == before

    def test_a_slow_disk_is_heard_as_silence_and_costs_no_sample(self) -> None:
        disk = SlowDisk([SPEECH[:1500], SPEECH[1500:3000], SPEECH[3000:4000]])
        source = FileSource(disk, "slow", patience_s=0.0)
        source.start()
        assert not source.read(960).any()
        disk.let_through(3)
        source._thread.join()
        heard, failure = hear_until_it_fails(source)
        np.testing.assert_array_equal(heard, SPEECH[:4000])
        assert failure == ""
        assert source.concealed_samples == 960
        assert disk.closed

    def test_a_dead_disk_fails_within_two_seconds_of_air(self) -> None:
        disk = SlowDisk([SPEECH[:1500]])
        source = FileSource(disk, "dead", patience_s=0.0)
        source.start()
        heard, failure = hear_until_it_fails(source)
        assert SAMPLE_RATE_HZ < len(heard) < 2 * SAMPLE_RATE_HZ
        assert "stalls" in failure
        disk.let_through(1)
        source.close()


class TestPart:
    """A part of a file is the slice of what the whole file sounds like."""

    @pytest.mark.parametrize(
        ("name", "codec", "rate", "layout"),
        [
            ("a.wav", "pcm_s16le", 48_000, "mono"),
            ("a.mp3", "libmp3lame", 44_100, "stereo"),
            ("a.m4a", "aac", 44_100, "mono"),
            ("a.flac", "flac", 96_000, "stereo"),
            ("a.opus", "libopus", 48_000, "mono"),
        ],
    )
    @pytest.mark.parametrize(("start", "stop"), [(0, 700), (12_345, None), (959, 961)])
    def test_of_any_kind(
        self,
        encode: Encode,
        name: str,
        codec: str,
        *,
        rate: int,
        layout: str,
        start: int,
        stop: int | None,
    ) -> None:
        path = encode(name, codec, SPEECH, rate, layout)
        np.testing.assert_array_equal(
            play(path, start=start, stop=stop), play(path)[start:stop]
        )

    @pytest.mark.parametrize(
        ("start", "stop"),
        [
            (0, 960),
            (0, None),
            (10 * SAMPLE_RATE_HZ, None),
            (10 * SAMPLE_RATE_HZ - 1, 11 * SAMPLE_RATE_HZ),
            (23 * SAMPLE_RATE_HZ + 17, 24 * SAMPLE_RATE_HZ),
            (40 * SAMPLE_RATE_HZ - 100, None),
            (41 * SAMPLE_RATE_HZ, None),
        ],
    )
    def test_of_our_own_recording_bit_for_bit(
        self, recording: Path, start: int, stop: int | None
    ) -> None:
        whole = play(recording)
        assert len(whole) == 40 * SAMPLE_RATE_HZ - 77
        np.testing.assert_array_equal(
            play(recording, start=start, stop=stop), whole[start:stop]
        )

    def test_of_a_recording_is_sought_not_decoded_through(
        self, recording: Path
    ) -> None:
        with AudioFile.open(recording) as file:
            next(file.pcm(30 * SAMPLE_RATE_HZ))
            assert file._done > 30 * SAMPLE_RATE_HZ
            begun = next(frame.pts for frame in file._frames_before(1_440_000))
            assert begun is not None
            # A page of ours lasts a second.
            assert 27 * SAMPLE_RATE_HZ <= begun <= 28 * SAMPLE_RATE_HZ

    def test_of_a_stream_that_was_cut_out_of_a_longer_one(
        self, recording: Path
    ) -> None:
        """Its pages count from elsewhere, so none is sought."""
        pages = [b"OggS" + page for page in recording.read_bytes().split(b"OggS")[1:]]
        for number, page in enumerate(pages[2:], start=2):
            granule = int.from_bytes(page[6:14], "little") + 3600 * SAMPLE_RATE_HZ
            page = page[:6] + granule.to_bytes(8, "little") + page[14:22]
            blank = page + bytes(4) + pages[number][26:]
            checksum = crc32(blank).to_bytes(4, "little")
            pages[number] = page + checksum + pages[number][26:]
        path = recording.with_name("later.opus")
        path.write_bytes(b"".join(pages))
        start = 30 * SAMPLE_RATE_HZ
        np.testing.assert_array_equal(play(path, start=start), play(path)[start:])

    def test_that_does_not_exist_is_refused(self, recording: Path) -> None:
        with pytest.raises(ValueError, match="stop_samples"):
            FileSource.open(recording, start_samples=2, stop_samples=1)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty seconds, less 77 samples, as `Recorder` writes them."""
    encoder = OpusEncoder(32_000, 1)
    ogg = OggOpusStream(7, encoder.lookahead_samples)
    content = ogg.headers("tests", {})
    pcm = render("bulletin", 0, 41 * SAMPLE_RATE_HZ)
    for index, frame in enumerate(np.split(pcm, len(pcm) // FRAME_SAMPLES)):
        content += ogg.add(index, encoder.encode(frame))
    encoder.close()
    path = tmp_path_factory.mktemp("recording") / "ours.opus"
    path.write_bytes(content + ogg.finish(40 * SAMPLE_RATE_HZ - 77))
    return path
