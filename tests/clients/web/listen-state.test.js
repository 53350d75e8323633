import assert from "node:assert/strict";
import { test } from "node:test";

import * as state from "../../../clients/web/listen-state.js";

const { Phase } = state;
const NEWS = { title: "Bản tin", class: "normal" };
const FLOOD = { title: "Lũ", class: "emergency" };
const listen = [0, "listen"];
const opened = [100, "opened", { attempt: 1 }];
const air = (asked_ms, on_air) => [asked_ms, "air", { asked_ms, on_air }];
const counts = (at, packets, checks = 0, attempt = 1) => [
  at,
  "measured",
  { attempt, packets, checks },
];

/** The machine after events written as [at_ms, kind, more]; chance 0.5 unless told. */
function after(...events) {
  return events.reduce(
    (machine, [at_ms, kind, more]) =>
      state.step(machine, { kind, at_ms, chance: 0.5, ...more }),
    state.idle(),
  );
}

/** Packets each second from *from_ms* to *to_ms*. */
function flow(from_ms, to_ms, attempt = 1) {
  const seconds = Math.floor((to_ms - from_ms) / 1000);
  return Array.from({ length: seconds + 1 }, (_, k) =>
    counts(from_ms + 1000 * k, 50 * (k + 1), 0, attempt),
  );
}

test("nothing is claimed before somebody asks", () => {
  assert.equal(state.phase(state.idle(), 0), Phase.OFF);
  assert.equal(after([5, "leave"]).wanted, false);
});

test("listening is claimed only while packets come", () => {
  const connecting = after(listen, air(50, NEWS), opened);
  assert.equal(state.phase(connecting, 101), Phase.CONNECTING);
  const machine = after(listen, air(50, NEWS), opened, counts(1000, 45));
  assert.equal(state.phase(machine, 1001), Phase.LISTENING);
  assert.equal(state.phase(machine, 1000 + state.FLOWING_MS), Phase.LISTENING);
  assert.notEqual(state.phase(machine, 1001 + state.FLOWING_MS), Phase.LISTENING);
});

test("a silent zone is silent, not broken, however long", () => {
  let events = [listen, opened, air(200, null)];
  for (let at = 1000; at <= 600_000; at += 1000) {
    events.push(counts(at, 0, at / 1000), air(at, null));
  }
  const machine = after(...events);
  assert.equal(machine.link, "open");
  assert.equal(state.phase(machine, 600_000), Phase.SILENT);
});

test("sound that the server promises and that does not come is told, then retried", () => {
  const alive = (at) => counts(at, 0, at);
  const events = [listen, air(50, NEWS), opened];
  for (let at = 1000; at <= 10_000; at += 1000) events.push(alive(at));
  const machine = after(...events);
  assert.equal(state.phase(machine, 3000), Phase.CONNECTING);
  assert.equal(state.phase(machine, 101 + state.STALLED_AFTER_MS), Phase.STALLED);
  assert.equal(machine.link, "open");
  const later = after(...events, alive(101 + state.GIVE_UP_AFTER_MS));
  assert.equal(later.link, "waiting");
});

test("the promise counts from when it was made, not from the connection's age", () => {
  const events = [listen, opened, air(200, null)];
  for (let at = 1000; at <= 60_000; at += 1000) events.push(counts(at, 0, at));
  const machine = after(...events, air(60_000, NEWS));
  assert.equal(state.phase(machine, 62_000), Phase.CONNECTING);
  assert.equal(state.phase(machine, 60_001 + state.STALLED_AFTER_MS), Phase.STALLED);
});

test("a connection in doubt has three seconds", () => {
  const events = [listen, opened, ...flow(1000, 5000)];
  const doubt = [5500, "ice", { attempt: 1, state: "disconnected" }];
  assert.equal(after(...events, doubt, counts(8500, 250, 1)).link, "open");
  assert.equal(after(...events, doubt, counts(8501, 250, 1)).link, "waiting");
  const certain = [7000, "ice", { attempt: 1, state: "connected" }];
  assert.equal(after(...events, doubt, certain, counts(9000, 250, 1)).link, "open");
  assert.equal(after(...events, doubt, counts(7000, 300, 1), counts(9000, 300, 2)).link, "open");
});

test("a doubt repeated is as old as the first", () => {
  const doubt = (at) => [at, "ice", { attempt: 1, state: "disconnected" }];
  const machine = after(listen, opened, doubt(1000), doubt(3500), counts(4100, 0, 9));
  assert.equal(machine.link, "waiting");
});

test("ICE that failed and a transport that closed are lost at once", () => {
  for (const name of ["failed", "closed"]) {
    const machine = after(listen, opened, [500, "ice", { attempt: 1, state: name }]);
    assert.equal(machine.link, "waiting");
    assert.equal(state.phase(machine, 500), Phase.RECONNECTING);
  }
});

test("a connection through which nothing comes is lost, as after a sleep", () => {
  const events = [listen, opened, ...flow(1000, 5000)];
  const asleep = counts(3_600_000, 250, 0);
  assert.equal(after(...events, asleep).link, "waiting");
  // Timers may be slow without sleep, in a tab behind others: what came counts.
  assert.equal(after(...events, counts(65_000, 3250, 20)).link, "open");
});

test("who waits tries again by itself, spread over a growing interval", () => {
  const problem = { slug: "no-connection", status: 0 };
  let machine = after(listen);
  let at_ms = 0;
  const waits = [];
  for (let turn = 0; turn < 8; turn += 1) {
    const { attempt } = machine;
    machine = state.step(machine, { kind: "failed", attempt, problem, at_ms, chance: 0.5 });
    waits.push(machine.retry_ms - at_ms);
    assert.equal(state.step(machine, { kind: "tick", at_ms: machine.retry_ms - 1 }), machine);
    at_ms = machine.retry_ms;
    machine = state.step(machine, { kind: "tick", at_ms });
    assert.deepEqual([machine.link, machine.attempt], ["opening", attempt + 1]);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000]);
});

test("the jitter is full: from nothing to the whole interval", () => {
  const fail = (chance) => [0, "failed", { attempt: 1, problem: { status: 503 }, chance }];
  assert.equal(after(listen, fail(0)).retry_ms, 0);
  assert.ok(after(listen, fail(0.999)).retry_ms > 1990);
});

test("what the server asks to wait comes before the jitter, within reason", () => {
  const fail = (retry_after_ms) => [
    0,
    "failed",
    { attempt: 1, problem: { status: 503, retry_after_ms } },
  ];
  assert.equal(after(listen, fail(20_000)).retry_ms, 21_000);
  assert.equal(after(listen, fail(1e12)).retry_ms, 601_000);
});

test("a good connection makes the next wait short again, a bad one does not", () => {
  const drop = (at) => [at, "ice", { attempt: 3, state: "failed" }];
  const failed = (at, attempt) => [at, "failed", { attempt, problem: { status: 0 } }];
  const third = [
    listen,
    failed(10, 1),
    [2000, "tick"],
    failed(2010, 2),
    [6000, "tick"],
    [6100, "opened", { attempt: 3 }],
    air(6200, NEWS),
  ];
  assert.equal(after(...third, ...flow(7000, 30_000, 3), drop(31_000)).failures, 1);
  assert.equal(after(...third, ...flow(7000, 9000, 3), drop(10_000)).failures, 3);
  assert.equal(after(...third, counts(16_000, 0, 5, 3), drop(16_050)).failures, 3);
  const silent = air(6300, null);
  assert.equal(after(...third, silent, counts(17_000, 0, 5, 3), drop(17_050)).failures, 1);
});

test("an answer that would be the same again ends it, with the reason", () => {
  for (const status of [400, 401, 403, 404, 422]) {
    const problem = { slug: "unknown-zone", status };
    const machine = after(listen, [50, "failed", { attempt: 1, problem }]);
    assert.deepEqual([machine.wanted, machine.link, machine.problem], [false, "none", problem]);
    assert.equal(state.phase(machine, 51), Phase.OFF);
  }
  for (const status of [0, 408, 429, 500, 503]) {
    const machine = after(listen, [50, "failed", { attempt: 1, problem: { status } }]);
    assert.equal(machine.link, "waiting", String(status));
  }
});

test("events of an earlier attempt change nothing", () => {
  const machine = after(listen, opened, [500, "listen"]);
  assert.equal(machine.attempt, 2);
  for (const kind of ["opened", "failed", "ice", "measured"]) {
    const late = { kind, attempt: 1, at_ms: 600, state: "failed", problem: {}, packets: 9 };
    assert.equal(state.step(machine, late), machine);
  }
});

test("leaving and choosing another zone begin anew", () => {
  const machine = after(listen, opened, air(200, NEWS), ...flow(1000, 3000), [3500, "leave"]);
  assert.equal(state.phase(machine, 3500), Phase.OFF);
  assert.equal(machine.link, "none");
  const other = after(listen, opened, air(200, FLOOD), [300, "listen"]);
  assert.equal(state.onAir(other, 301), undefined); // the other zone's air is not known yet
});

test("a browser that refuses to play asks for a press, and the press is remembered", () => {
  const machine = after(listen, opened, [200, "blocked"]);
  assert.equal(state.phase(machine, 300), Phase.BLOCKED);
  const dropped = state.step(machine, { kind: "ice", attempt: 1, state: "failed", at_ms: 400, chance: 0 });
  const again = state.step(dropped, { kind: "tick", at_ms: 400 });
  assert.equal(state.phase(again, 401), Phase.BLOCKED);
  assert.notEqual(state.phase(state.step(again, { kind: "sounding" }), 402), Phase.BLOCKED);
});

test("impatience ends the waiting and nothing else", () => {
  const waiting = after(listen, [50, "failed", { attempt: 1, problem: { status: 0 } }]);
  assert.equal(state.step(waiting, { kind: "hurry", at_ms: 51 }).link, "opening");
  const open = after(listen, opened);
  assert.equal(state.step(open, { kind: "hurry", at_ms: 200 }), open);
});

test("what is on air is known as long as the server said so lately", () => {
  const machine = after(listen, opened, air(200, FLOOD));
  assert.equal(state.onAir(machine, 200 + state.STALE_AIR_MS), FLOOD);
  assert.equal(state.onAir(machine, 201 + state.STALE_AIR_MS), undefined);
  assert.equal(state.onAir(state.idle(), 0), undefined);
  assert.equal(state.onAir(after(listen, air(5, null)), 6), null);
});

test("an answer overtaken by a newer one changes nothing", () => {
  const machine = after(listen, air(2000, FLOOD), air(1000, NEWS));
  assert.equal(state.onAir(machine, 2001), FLOOD);
});

test("the seconds to wait are told, and only while waiting", () => {
  const waiting = after(listen, [0, "failed", { attempt: 1, problem: { status: 0 } }]);
  assert.equal(state.retryInS(waiting, 1), 1);
  assert.equal(state.retryInS(waiting, 5000), 0);
  assert.equal(state.retryInS(after(listen, opened), 5), null);
});

test("law: LISTENING never without packets lately, one attempt at a time, never stuck", () => {
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
  let packets = 0;
  let came_ms = -Infinity;
  const seen = new Map();
  for (let turn = 0; turn < 30_000; turn += 1) {
    now_ms += Math.floor(random() * 1500);
    const before = machine;
    const grows = random() < 0.8;
    packets += grows ? 50 : 0;
    machine = state.step(machine, {
      kind: pick([
        ..."listen opened opened failed ice tick tick blocked sounding hurry leave".split(" "),
        ...Array(20).fill("measured"),
        ...Array(6).fill("air"),
      ]),
      attempt: random() < 0.9 ? machine.attempt : machine.attempt - 1,
      at_ms: now_ms,
      asked_ms: now_ms,
      chance: random(),
      state: pick(["connected", "connected", "disconnected", "failed"]),
      problem: { status: pick([0, 503, 404]) },
      on_air: pick([NEWS, FLOOD, null]),
      packets,
      checks: turn,
    });
    if (machine.flowed_ms === now_ms) came_ms = now_ms;
    const later_ms = now_ms + Math.floor(random() * 3000);
    const shown = state.phase(machine, later_ms);
    seen.set(shown, (seen.get(shown) ?? 0) + 1);
    assert.ok(machine.attempt - before.attempt <= 1 && machine.attempt >= before.attempt);
    assert.equal(machine.wanted, machine.link !== "none");
    assert.equal(machine.link === "waiting", machine.retry_ms !== null);
    if (shown !== Phase.LISTENING) continue;
    assert.equal(machine.link, "open");
    assert.ok(later_ms - came_ms <= state.FLOWING_MS);
  }
  for (const name of Object.values(Phase)) assert.ok(seen.get(name) > 50, `${name} was not seen`);
});
