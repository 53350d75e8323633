/**
 * What the Listen page does next and may claim: a pure state machine.
 *
 * It is fed with what the person did, what became of the connection, what was received
 * and what the server says is on air, each with its instant (`at_ms` of one monotonic
 * clock) and, where waiting begins, with a `chance` in [0, 1). "You hear this" needs
 * packets that keep coming *and* a fresh answer of the server. No I/O, no clock, no DOM.
 *
 * The link: `none` → `opening` → `open` → `waiting` → `opening` … Every opening is an
 * *attempt* with a number; whoever carries them out keeps exactly that one alive, and
 * events of another attempt change nothing.
 *
 * @typedef {{title: string, class: string}} OnAir  As in GET /api/v1/public/zones.
 */

/** ICE calls the connection doubtful for so long: it is lost. */
export const DOUBT_MS = 3000;
/** Nothing at all came, neither sound nor ICE's own answers, for so long: it is lost. */
export const DEAF_AFTER_MS = 12_000;
/** Packets come every 20 to 60 ms; after this they have stopped. */
export const FLOWING_MS = 1500;
/** The server says on air, but nothing comes for so long: say so. */
export const STALLED_AFTER_MS = 3000;
/** The same for so long: try another connection. */
export const GIVE_UP_AFTER_MS = 10_000;
/** A connection that held for so long was a good one; the next wait is short again. */
export const STABLE_AFTER_MS = 10_000;
/** What the server said last is not known to be true any more after this. */
export const STALE_AIR_MS = 15_000;

/** As the speakers do it (clients/speaker/backoff.py), but a person is waiting. */
const BACKOFF_BASE_MS = 2000;
const BACKOFF_CAP_MS = 30_000;
const MAX_HINT_MS = 600_000;
/** These answers say nothing about the question, so it may be asked again. */
const PASSING = new Set([408, 425, 429]);

export const Phase = Object.freeze({
  OFF: "off",
  CONNECTING: "connecting",
  LISTENING: "listening",
  SILENT: "silent",
  STALLED: "stalled",
  RECONNECTING: "reconnecting",
  BLOCKED: "blocked",
});

/**
 * The machine at rest.
 * @param {import("./api.js").Problem|null} problem Why it came to rest by itself.
 */
export function idle(problem = null, attempt = 0, air = null) {
  return Object.freeze({
    wanted: false,
    link: "none",
    attempt,
    failures: 0,
    retry_ms: null,
    opened_ms: null,
    alive_ms: null,
    flowed_ms: null,
    packets: 0,
    checks: 0,
    doubt_ms: null,
    blocked: false,
    problem,
    air,
  });
}

/**
 * The machine after *event*; events that do not concern it leave it as it is.
 *
 * Events: `listen {at_ms}` (also: to something else) · `leave {}` · `opened {attempt,
 * at_ms}` · `failed {attempt, problem, at_ms, chance}` · `ice {attempt, state, at_ms,
 * chance}` (RTCPeerConnection.connectionState) · `measured {attempt, packets, checks,
 * at_ms, chance}` (counters of the connection) · `tick {at_ms}` · `hurry {at_ms}` (do
 * not wait any longer) · `blocked {}` / `sounding {}` (the browser refuses to play, or
 * plays) · `air {on_air: OnAir|null, asked_ms}`.
 */
export function step(machine, event) {
  if (event.attempt !== undefined && event.attempt !== machine.attempt) return machine;
  const turn = TURNS[event.kind];
  return turn ? Object.freeze(turn(machine, event)) : machine;
}

const TURNS = {
  listen: (machine) => ({
    ...idle(null, machine.attempt + 1),
    wanted: true,
    link: "opening",
  }),

  leave: (machine) => idle(null, machine.attempt, machine.air),

  opened: (machine, { at_ms }) =>
    machine.link === "opening"
      ? { ...machine, link: "open", opened_ms: at_ms, alive_ms: at_ms, problem: null }
      : machine,

  failed(machine, { problem, at_ms, chance }) {
    if (machine.link !== "opening") return machine;
    if (isFinal(problem)) return idle(problem, machine.attempt, machine.air);
    return wait({ ...machine, problem }, at_ms, chance, problem.retry_after_ms);
  },

  ice(machine, { state, at_ms, chance }) {
    if (machine.link !== "open") return machine;
    if (state === "failed" || state === "closed") return lost(machine, at_ms, chance);
    if (state === "disconnected") {
      return { ...machine, doubt_ms: machine.doubt_ms ?? at_ms };
    }
    return { ...machine, doubt_ms: null };
  },

  measured(machine, { packets, checks, at_ms, chance }) {
    if (machine.link !== "open") return machine;
    const flows = packets > machine.packets;
    const lives = flows || checks > machine.checks;
    const next = {
      ...machine,
      packets,
      checks,
      flowed_ms: flows ? at_ms : machine.flowed_ms,
      alive_ms: lives ? at_ms : machine.alive_ms,
      doubt_ms: flows ? null : machine.doubt_ms,
    };
    return isLost(next, at_ms) ? lost(next, at_ms, chance) : next;
  },

  tick: (machine, { at_ms }) =>
    machine.link === "waiting" && at_ms >= machine.retry_ms ? again(machine) : machine,

  hurry: (machine) => (machine.link === "waiting" ? again(machine) : machine),

  blocked: (machine) => (machine.wanted ? { ...machine, blocked: true } : machine),

  sounding: (machine) => ({ ...machine, blocked: false }),

  air(machine, { on_air, asked_ms }) {
    if (asked_ms < (machine.air?.asked_ms ?? -Infinity)) return machine;
    const kept = machine.air && on_air && machine.air.on_air;
    const since_ms = kept ? machine.air.since_ms : asked_ms;
    return { ...machine, air: { on_air, asked_ms, since_ms } };
  },
};

/** Whether asking again would be answered the same. */
function isFinal({ status = 0 }) {
  return status >= 400 && status < 500 && !PASSING.has(status);
}

function isLost(machine, at_ms) {
  const { doubt_ms, alive_ms } = machine;
  if (doubt_ms !== null && at_ms - doubt_ms > DOUBT_MS) return true;
  return at_ms - alive_ms > DEAF_AFTER_MS || missing(machine, at_ms) > GIVE_UP_AFTER_MS;
}

/** For how long sound should have come by the server's word and did not. */
function missing({ air, opened_ms, flowed_ms }, at_ms) {
  if (!air?.on_air) return 0;
  return at_ms - Math.max(opened_ms, flowed_ms ?? -Infinity, air.since_ms);
}

function lost(machine, at_ms, chance) {
  const { opened_ms, alive_ms, flowed_ms, air } = machine;
  // What carried sound, or was there in silence, was good, whatever ended it.
  const good_until_ms = Math.max(flowed_ms ?? opened_ms, air?.on_air ? opened_ms : alive_ms);
  const held = good_until_ms - opened_ms > STABLE_AFTER_MS;
  return wait(held ? { ...machine, failures: 0 } : machine, at_ms, chance);
}

/**
 * Full jitter: listeners who lost their server in the same instant return spread over
 * the whole interval. What the server asked for comes on top.
 */
function wait(machine, at_ms, chance, hint_ms = 0) {
  const spread_ms = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(machine.failures, 16));
  return {
    ...machine,
    link: "waiting",
    failures: machine.failures + 1,
    retry_ms: at_ms + Math.min(Math.max(hint_ms, 0), MAX_HINT_MS) + chance * spread_ms,
  };
}

function again(machine) {
  const { failures, blocked, problem } = machine;
  return {
    ...idle(problem, machine.attempt + 1, machine.air),
    wanted: true,
    link: "opening",
    failures,
    blocked,
  };
}

/** One of `Phase`: what may be claimed at *now_ms*. */
export function phase(machine, now_ms) {
  if (!machine.wanted) return Phase.OFF;
  if (machine.blocked) return Phase.BLOCKED;
  if (machine.link === "open") return received(machine, now_ms);
  return machine.failures === 0 ? Phase.CONNECTING : Phase.RECONNECTING;
}

/** The phase by what comes through an open connection. */
function received(machine, now_ms) {
  const { flowed_ms } = machine;
  if (flowed_ms !== null && now_ms - flowed_ms <= FLOWING_MS) return Phase.LISTENING;
  if (missing(machine, now_ms) > STALLED_AFTER_MS) return Phase.STALLED;
  return machine.air?.on_air && flowed_ms === null ? Phase.CONNECTING : Phase.SILENT;
}

/**
 * What the server says is on air, as far as it is still known at *now_ms*.
 * @returns {OnAir|null|undefined} Null for silence, undefined for unknown.
 */
export function onAir({ air }, now_ms) {
  return air && now_ms - air.asked_ms <= STALE_AIR_MS ? air.on_air : undefined;
}

/** Whole seconds until the next attempt; null when none is waited for. */
export function retryInS({ link, retry_ms }, now_ms) {
  return link === "waiting" ? Math.max(Math.ceil((retry_ms - now_ms) / 1000), 0) : null;
}
