"""What a speaker says of itself: small, whatever there is to say."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.speaker.health import HealthTeller, Moment, clean
from clients.speaker.modem import FakeModem, ModemManager, ModemReading, parse_mmcli
from clients.speaker.policy import Transport
from clients.speaker.state import StateFile
from clients.speaker.status import SpeakerStatus
from clients.speaker.stream import Counters
from clients.speaker.vitals import DataMeter, Vitals, VitalsWatch, hottest_celsius
from streamer.wire.control import Settings, parse_from_listener, serialize
from streamer.wire.health import MAX_HEALTH_BYTES

FRAME_HEADER_BYTES = 8  # RFC 6455, section 5.2: 2, length 2, masking key 4
integers = st.integers(-(2**70), 2**70)
optional = st.none() | integers
counts = st.builds(
    Counters,
    packets_received=integers,
    packets_lost=integers,
    total_samples_received=integers,
    concealed_samples=integers,
)


def status(
    counters: Counters,
    *,
    round_trip_ns: int = 61_000_000,
    clock_offset_ns: int = -250_000,
    device_drift_ppm: float = -31.4,
) -> SpeakerStatus:
    return SpeakerStatus(
        connected=True,
        welcome=None,
        settings=Settings(100, 400),
        playing=None,
        clock_synchronised=True,
        clock_offset_ns=clock_offset_ns,
        clock_drift_ppm=0.0,
        clock_uncertainty_ns=0,
        device_drift_ppm=device_drift_ppm,
        round_trip_ns=round_trip_ns,
        counters=counters,
        connections=1,
        last_mishap=None,
        transport=Transport.WEBSOCKET,
    )


def counted(received: int, lost: int, *, samples: int, concealed: int) -> Counters:
    return Counters(
        packets_received=received,
        packets_lost=lost,
        total_samples_received=samples,
        concealed_samples=concealed,
    )


MOMENT = Moment(
    uptime_s=86_400,
    held_ms=380,
    audio_age_ms=18,
    audio_level_dbfs=-18,
    sounding=True,
)


@given(
    counters=counts,
    later=counts,
    moment=st.builds(Moment, integers, integers, optional, integers, st.booleans()),
    vitals=st.builds(
        Vitals,
        integers,
        optional,
        st.none() | st.builds(ModemReading, st.none() | st.text(), optional, optional),
        optional,
    ),
    clock=st.tuples(integers, integers, st.floats(-1e9, 1e9)),
)
def test_law_health_is_sent_in_300_bytes_whatever_there_is_to_tell(
    counters: Counters,
    later: Counters,
    moment: Moment,
    vitals: Vitals,
    clock: tuple[int, int, float],
) -> None:
    round_trip_ns, offset_ns, drift_ppm = clock
    teller = HealthTeller()
    for each in (counters, later):
        told = status(
            each,
            round_trip_ns=round_trip_ns,
            clock_offset_ns=offset_ns,
            device_drift_ppm=drift_ppm,
        )
        health = teller.tell(told, moment, vitals)
        text = serialize(health)
        assert len(text.encode()) + FRAME_HEADER_BYTES <= MAX_HEALTH_BYTES
        assert parse_from_listener(text) == health


def test_the_worst_case_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.__version__", "0.123.456.dev7890123456")
    teller = HealthTeller()
    teller.tell(status(Counters()), MOMENT, Vitals())
    worst = teller.tell(
        status(
            counted(0, 9, samples=9, concealed=9),
            round_trip_ns=2**60,
            clock_offset_ns=-(2**70),
            device_drift_ppm=-1e9,
        ),
        Moment(2**60, 2**60, 2**60, -500, False),
        Vitals(2**60, -(2**60), ModemReading("Ế" * 90, 2**60, 0), 2**60),
    )
    text = serialize(worst)
    assert worst.op == "Ế" * 6
    assert (worst.lost, worst.conc) == (1_000_000, 1_000_000)
    # Each reading is as long as it can get: what is sent is never longer than this.
    assert len(text.encode()) + FRAME_HEADER_BYTES == 293


def test_ratios_are_of_what_lies_between_two_messages() -> None:
    teller = HealthTeller()
    first = counted(900, 100, samples=48_000, concealed=4_800)
    assert teller.tell(status(first), MOMENT, Vitals()).lost == 100_000
    second = counted(1_899, 101, samples=96_000, concealed=4_848)
    health = teller.tell(status(second), MOMENT, Vitals())
    assert (health.lost, health.conc) == (1_000, 1_000)
    assert teller.tell(status(second), MOMENT, Vitals()).lost == 0


@given(st.text(), st.integers(0, 40))
def test_law_a_cleaned_name_needs_no_escape(text: str, size: int) -> None:
    cleaned = clean(text, size)
    written = json.dumps(cleaned, ensure_ascii=False).encode()
    assert len(written) == len(cleaned.encode()) + 2 <= size + 2


MMCLI = {
    "modem": {
        "3gpp": {"operator-code": "45204", "operator-name": "Viettel"},
        "generic": {
            "ports": ["cdc-wdm0 (qmi)", "ttyUSB2 (at)", "wwan0 (net)"],
            "signal-quality": {"recent": "yes", "value": "64"},
        },
    }
}
"As ModemManager 1.20 prints it."


class TestModem:
    """Asked by a command that may be missing, hang or say anything."""

    async def test_modem_manager_is_asked(self, tmp_path: Path) -> None:
        counters = tmp_path / "wwan0" / "statistics"
        counters.mkdir(parents=True)
        (counters / "rx_bytes").write_text("3000000\n")
        (counters / "tx_bytes").write_text("400000\n")
        command = (sys.executable, "-c", f"print({json.dumps(MMCLI)!r})")
        reading = await ModemManager(command, interfaces=tmp_path).read()
        assert reading == ModemReading("Viettel", 64, 3_400_000)

    async def test_nothing_is_said_where_there_is_none(self) -> None:
        assert await ModemManager(("/nowhere/mmcli",)).read() is None
        fails = (sys.executable, "-c", "raise SystemExit('no modems were found')")
        assert await ModemManager(fails).read() is None

    async def test_one_that_hangs_is_killed(self) -> None:
        hangs = (sys.executable, "-c", "import time; time.sleep(60)")
        modem = ModemManager(hangs, timeout_s=0.3)
        async with asyncio.timeout(5):
            assert await modem.read() is None

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(["modem", "3gpp", "generic", "ports", "x"]), inner
                )
            ),
            max_leaves=20,
        )
    )
    def test_law_any_json_is_read_or_ignored(self, document: object) -> None:
        parse_mmcli(json.dumps(document).encode(), data_bytes=lambda _: 1)

    @pytest.mark.parametrize("output", [b"", b"{", b"[]", b"\xff", b"[" * 10_000])
    def test_nonsense_is_no_modem(self, output: bytes) -> None:
        assert parse_mmcli(output, data_bytes=lambda _: 1) is None

    def test_what_is_unknown_is_left_out(self) -> None:
        modem = {"3gpp": {"operator-name": "--"}, "generic": {"ports": ["ttyS1 (at)"]}}
        reading = parse_mmcli(
            json.dumps({"modem": modem}).encode(), data_bytes=lambda _: 1
        )
        assert reading == ModemReading()


class TestDataUse:
    """A counter that begins at 0 with each restart, added up over all of them."""

    @given(st.lists(st.lists(st.integers(0, 2**40)), max_size=8))
    def test_law_no_byte_is_counted_twice_or_lost(self, runs: list[list[int]]) -> None:
        meter, used = DataMeter({}), 0
        for grown in runs:
            counter = 0
            meter.add(0)  # the modem came up anew
            for more in grown:
                counter += more
                used += more
                assert meter.add(counter) == used
            meter = DataMeter(json.loads(json.dumps(meter.document())))

    def test_a_damaged_document_begins_anew(self) -> None:
        meter = DataMeter({"used_bytes": -1, "counter_bytes": "x"})
        assert meter.add(7) == 7

    async def test_it_outlives_the_process(self, tmp_path: Path) -> None:
        state = StateFile(tmp_path / "modem.json")
        modem = FakeModem(ModemReading("Viettel", 64, 5 << 20))
        for _ in range(2):  # the same boot: the counter has not begun anew
            watch = VitalsWatch(modem, state)
            running = asyncio.create_task(watch.run())
            async with asyncio.timeout(5):
                while watch.latest.used_bytes is None:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            running.cancel()
            assert watch.latest.used_bytes == 5 << 20

    async def test_a_disk_that_takes_nothing_harms_nothing(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").write_text("no directory")
        modem = FakeModem(ModemReading("Viettel", 64, 5 << 20))
        watch = VitalsWatch(modem, StateFile(tmp_path / "file" / "modem.json"))
        running = asyncio.create_task(watch.run())
        async with asyncio.timeout(5):
            while watch.latest.used_bytes is None:  # noqa: ASYNC110
                await asyncio.sleep(0)
        running.cancel()
        assert "cannot be written down" in caplog.text


def test_the_hottest_sensor_counts(tmp_path: Path) -> None:
    assert hottest_celsius(tmp_path) is None
    for number, text in enumerate(("47123\n", "51900\n", "asleep")):
        sensor = tmp_path / f"thermal_zone{number}"
        sensor.mkdir()
        (sensor / "temp").write_text(text)
    assert hottest_celsius(tmp_path) == 52


class TestStateFile:
    """A document that is there whole, or not at all."""

    def test_what_was_saved_is_loaded(self, tmp_path: Path) -> None:
        state = StateFile(tmp_path / "new" / "state.json")
        assert state.load() == {}
        state.save({"tên": "loa", "n": 1})
        assert state.load() == {"tên": "loa", "n": 1}

    def test_a_flipped_bit_is_said_and_begins_anew(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        state = StateFile(tmp_path / "state.json")
        state.save({"n": 1})
        content = bytearray((tmp_path / "state.json").read_bytes())
        content[-2] ^= 1
        (tmp_path / "state.json").write_bytes(content)
        assert state.load() == {}
        assert "damaged" in caplog.text

    def test_a_power_cut_while_writing_leaves_the_former(self, tmp_path: Path) -> None:
        state = StateFile(tmp_path / "state.json")
        state.save({"n": 1})
        (tmp_path / "state.json.new").write_bytes(b"half of a")
        assert state.load() == {"n": 1}
        state.save({"n": 2})
        assert state.load() == {"n": 2}
