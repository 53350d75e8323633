import assert from "node:assert/strict";
import { test } from "node:test";

import * as state from "../../../clients/web/state.js";

const { Phase } = state;

function broadcast(more = {}) {
  return {
    id: "b1",
    state: "on_air",
    frames: 0,
    level: { peak_dbfs: -12, rms_dbfs: -20 },
    heard_by: { zones: [], listeners: 1, speakers: 1 },
    end_reason: null,
    ...more,
  };
}

/** A machine after events, each `[at_ms, kind, more]`. */
function after(...events) {
  return events.reduce((machine, [at_ms, kind, more]) => {
    const event = { kind, at_ms, asked_ms: at_ms, ...more };
    return state.step(machine, event);
  }, state.idle());
}

const started = [0, "start"];
const accepted = [100, "accepted", { broadcast: broadcast() }];
const report = (at_ms, more) => [at_ms, "report", { broadcast: broadcast(more) }];
const names = (machine, ...instants) => instants.map((at) => state.phase(machine, at).name);

test("at rest it is off, whatever the time", () => {
  assert.deepEqual(names(state.idle(), 0, 1e9), [Phase.OFF, Phase.OFF]);
});

test("it is connecting until the server accepted and frames came", () => {
  assert.deepEqual(names(after(started), 0, 1000), [Phase.CONNECTING, Phase.CONNECTING]);
  assert.deepEqual(names(after(started, accepted), 150), [Phase.CONNECTING]);
  const silent = after(started, accepted, report(300, { frames: 0 }));
  assert.deepEqual(names(silent, 350), [Phase.CONNECTING]);
});

test("acceptance alone is never ON AIR, even if the server calls it so", () => {
  const eager = [100, "accepted", { broadcast: broadcast({ frames: 40 }) }];
  assert.deepEqual(names(after(started, eager), 101), [Phase.CONNECTING]);
});

test("ON AIR needs the server's word and frames that grew", () => {
  const machine = after(started, accepted, report(300, { frames: 5 }));
  assert.deepEqual(names(machine, 301), [Phase.ON_AIR]);
});

test("ON AIR ends by itself when the answers stop", () => {
  const machine = after(started, accepted, report(300, { frames: 5 }));
  const last = 300 + state.STALLED_AFTER_MS;
  assert.equal(state.phase(machine, last).name, Phase.ON_AIR);
  assert.equal(state.phase(machine, last + 1).name, Phase.UNKNOWN);
  const lost = state.phase(machine, 300 + state.LOST_AFTER_MS + 1);
  assert.deepEqual(lost, { name: Phase.UNKNOWN, reason: "lost" });
});

test("frames that stand still are not ON AIR, however fresh the answers", () => {
  const polls = [800, 1300, 1800, 2300].map((at) => report(at, { frames: 5 }));
  const machine = after(started, accepted, report(300, { frames: 5 }), ...polls);
  assert.deepEqual(state.phase(machine, 2301), { name: Phase.UNKNOWN, reason: "stalled" });
  const again = state.step(machine, {
    kind: "report",
    asked_ms: 2500,
    broadcast: broadcast({ frames: 6 }),
  });
  assert.equal(state.phase(again, 2501).name, Phase.ON_AIR);
});

test("frames that never come are told, too", () => {
  const machine = after(started, accepted, report(1500, { frames: 0 }), report(1900, { frames: 0 }));
  assert.deepEqual(state.phase(machine, 1901), { name: Phase.UNKNOWN, reason: "stalled" });
});

test("what the server says is as old as the question", () => {
  const machine = after(started, accepted, report(1000, { frames: 5 }));
  const late = { kind: "report", asked_ms: 500, broadcast: broadcast({ state: "waiting" }) };
  assert.equal(state.step(machine, late).report.state, "on_air");
});

test("chime and waiting are told as the server tells them", () => {
  for (const name of [Phase.OPENING, Phase.WAITING]) {
    const machine = after(started, accepted, report(300, { state: name, frames: 5 }));
    assert.deepEqual(names(machine, 301), [name]);
  }
});

test("being displaced takes ON AIR away at once", () => {
  const machine = after(
    started,
    accepted,
    report(300, { frames: 5 }),
    report(800, { frames: 30, state: "waiting" }),
  );
  assert.deepEqual(names(machine, 801), [Phase.WAITING]);
});

test("stopping lasts until the server says ended", () => {
  const events = [started, accepted, report(300, { frames: 5 }), [900, "stop"]];
  const machine = after(...events, report(1000, { frames: 9 }));
  assert.deepEqual(names(machine, 1001), [Phase.STOPPING]);
  const doubt = state.phase(machine, 1000 + state.LOST_AFTER_MS + 1);
  assert.deepEqual(doubt, { name: Phase.STOPPING, reason: "lost" });
  const end = report(1200, { state: "ended", end_reason: "stopped" });
  const over = after(...events, end);
  assert.deepEqual(names(over, 1201), [Phase.OFF]);
  assert.equal(over.outcome.kind, "stopped");
});

test("why it was stopped is still known at its end", () => {
  const over = after(
    started,
    accepted,
    [500, "stop", { cause: "microphone-lost" }],
    report(600, { state: "ended", end_reason: "failed", end_detail: "gone" }),
  );
  assert.deepEqual(over.outcome, {
    kind: "failed",
    detail: "gone",
    cause: "microphone-lost",
  });
});

test("an answer about an earlier broadcast changes nothing", () => {
  const machine = after(started, accepted);
  const other = { kind: "report", asked_ms: 200, broadcast: broadcast({ id: "b0", frames: 9 }) };
  assert.equal(state.step(machine, other), machine);
});

test("refusal, disappearance and giving up end it", () => {
  const problem = { slug: "unknown-zone" };
  assert.deepEqual(after(started, [50, "refused", { problem }]).outcome, {
    kind: "refused",
    problem,
  });
  assert.equal(after(started, accepted, [300, "gone"]).active, false);
  assert.equal(after(started, [20, "abandoned"]).outcome.kind, "abandoned");
});

test("events at rest change nothing", () => {
  const rest = state.idle();
  for (const kind of ["stop", "refused", "gone", "abandoned", "accepted", "nonsense"]) {
    assert.deepEqual(state.step(rest, { kind, at_ms: 5, broadcast: broadcast() }), rest);
  }
});

test("a second start does not disturb the first", () => {
  const machine = after(started, accepted);
  assert.deepEqual(state.step(machine, { kind: "start", at_ms: 400 }), machine);
});

test("elapsed time counts from the first confirmation, also across waiting", () => {
  const machine = after(
    started,
    accepted,
    report(300, { frames: 5 }),
    report(800, { frames: 9, state: "waiting" }),
    report(1300, { frames: 12 }),
  );
  assert.equal(state.elapsedMs(machine, 2300), 2000);
  assert.equal(state.elapsedMs(after(started, accepted), 2300), null);
});

test("silence at the server is noticed after a while, and forgotten with a sound", () => {
  const quiet = { level: { peak_dbfs: -90, rms_dbfs: -90 } };
  const events = [started, accepted, report(300, { frames: 5 })];
  for (let at = 800; at <= 4800; at += 500) events.push(report(at, { frames: at, ...quiet }));
  assert.equal(state.hearsSilence(after(...events), 4800), true);
  events.push(report(5300, { frames: 5300 }));
  assert.equal(state.hearsSilence(after(...events), 5300), false);
});

test("law: never ON AIR without a fresh, advancing, on_air report", () => {
  // A seeded walk over events (mulberry32), checked against the law at each step.
  let seed = 2026;
  const random = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const pick = (list) => list[Math.floor(random() * list.length)];
  let machine = state.idle();
  let now_ms = 0;
  let frames = 0;
  let fresh_ms = -Infinity;
  let on_air_seen = 0;
  for (let turn = 0; turn < 20_000; turn += 1) {
    now_ms += Math.floor(random() * 900);
    const kind = pick(["start", "accepted", "report", "report", "report", "report", "stop"]);
    const grows = random() < 0.7;
    frames += grows ? 7 : 0;
    const told = broadcast({
      state: pick(["on_air", "on_air", "on_air", "waiting", "opening", "ended"]),
      frames,
    });
    const before = machine;
    machine = state.step(machine, { kind, at_ms: now_ms, asked_ms: now_ms, broadcast: told });
    if (kind === "accepted" && machine !== before) fresh_ms = -Infinity;
    if (kind === "report" && before.report && told.frames > before.report.frames) {
      fresh_ms = now_ms;
    }
    const later_ms = now_ms + Math.floor(random() * 3000);
    if (state.phase(machine, later_ms).name !== Phase.ON_AIR) continue;
    on_air_seen += 1;
    assert.equal(machine.report.state, "on_air");
    assert.equal(machine.stopping, false);
    assert.ok(later_ms - fresh_ms <= state.LOST_AFTER_MS);
  }
  assert.ok(on_air_seen > 100, `the walk saw ON AIR only ${on_air_seen} times`);
});
