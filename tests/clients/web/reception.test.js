import assert from "node:assert/strict";
import { test } from "node:test";

import { judge, read, remember } from "../../../clients/web/reception.js";

const AUDIO = {
  id: "A",
  type: "inbound-rtp",
  kind: "audio",
  packetsReceived: 500,
  packetsLost: 3,
  jitterBufferDelay: 48_000,
  jitterBufferEmittedCount: 480_000,
  totalSamplesReceived: 490_000,
  concealedSamples: 9000,
  silentConcealedSamples: 8000,
};
const PAIR = {
  id: "P",
  type: "candidate-pair",
  state: "succeeded",
  nominated: true,
  responsesReceived: 4,
  requestsReceived: 1,
  currentRoundTripTime: 0.04,
};
const reportOf = (...entries) => new Map(entries.map((entry) => [entry.id, entry]));
const SILENT = read(reportOf(PAIR));

/** Seconds of good reception, each as *change* makes it. */
function seconds(count, change = () => ({})) {
  let sample = read(reportOf(AUDIO, PAIR));
  const samples = [sample];
  for (let second = 1; second <= count; second += 1) {
    sample = {
      ...sample,
      packets: sample.packets + 50,
      buffered_s: sample.buffered_s + 48_000 * 0.06,
      buffered_samples: sample.buffered_samples + 48_000,
      played_samples: sample.played_samples + 48_000,
    };
    sample = { ...sample, ...change(sample, second) };
    samples.push(sample);
  }
  return samples;
}

test("the pair in use is found with a transport that names it and without", () => {
  const idle = { ...PAIR, id: "Q", nominated: false, responsesReceived: 99 };
  const transport = { id: "T", type: "transport", selectedCandidatePairId: "P" };
  assert.equal(read(reportOf(idle, PAIR, AUDIO, transport)).checks, 5);
  assert.equal(read(reportOf(idle, PAIR, AUDIO)).checks, 5);
  assert.equal(read(reportOf({ ...idle, selected: true }, { ...PAIR, selected: false })).checks, 100);
});

test("an empty report is a sample of nothing", () => {
  const sample = read(new Map());
  assert.deepEqual([sample.packets, sample.checks, sample.round_trip_s], [0, 0, null]);
});

test("silence that is made up is no concealment", () => {
  assert.equal(read(reportOf(AUDIO)).concealed_samples, 1000);
});

test("latency is the buffer's wait and half the round trip", () => {
  assert.equal(judge(seconds(3)).latency_ms, 80);
});

test("latency is of now, not of what was a while ago", () => {
  const jump = (sample, second) => (second === 4 ? { buffered_s: sample.buffered_s + 48_000 } : {});
  assert.equal(judge(seconds(4, jump)).latency_ms, 1080);
  assert.equal(judge(seconds(5, jump)).latency_ms, 80);
});

test("loss and concealment are shares of the last seconds", () => {
  const worse = (sample, second) => ({
    packets: sample.packets - 5,
    lost: 3 + 5 * second,
    concealed_samples: 1000 + 2400 * second,
  });
  const { lost, concealed, verdict } = judge(seconds(9, worse));
  assert.ok(Math.abs(lost - 0.1) < 1e-9, String(lost));
  assert.ok(Math.abs(concealed - 0.05) < 1e-9, String(concealed));
  assert.equal(verdict, "fair");
});

test("the verdict: good, fair, poor", () => {
  const losing = (share) => (sample, second) => ({
    packets: sample.packets - 50 * share,
    lost: 50 * share * second,
  });
  assert.equal(judge(seconds(9)).verdict, "good");
  assert.equal(judge(seconds(9, losing(0.06))).verdict, "fair");
  assert.equal(judge(seconds(9, losing(0.3))).verdict, "poor");
});

test("a late packet that takes a loss back is no negative loss", () => {
  const late = (_, second) => ({ lost: 3 - second });
  assert.equal(judge(seconds(3, late)).lost, 0);
});

test("where nothing comes, nothing is claimed", () => {
  for (const samples of [[], [SILENT], [SILENT, SILENT]]) {
    assert.deepEqual(judge(samples), {
      latency_ms: null,
      lost: null,
      concealed: null,
      verdict: null,
    });
  }
});

test("no more is remembered than the window holds", () => {
  let samples = [];
  for (const sample of seconds(30)) samples = remember(samples, sample);
  assert.equal(samples.length, 10);
  assert.equal(samples.at(-1).packets, 500 + 30 * 50);
});
