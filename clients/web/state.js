/**
 * What the page may claim about a broadcast: a pure state machine.
 *
 * It is fed with what the person did and what the server answered, each with the
 * instant (`*_ms` of one monotonic clock) and answers with what may be shown now.
 * The server is believed only while it keeps saying so: ON AIR needs a fresh answer
 * that says `on_air` *and* a frame count that grew. No I/O, no clock, no DOM.
 *
 * @typedef {object} Broadcast  As in GET /api/v1/broadcasts/{id}.
 * @typedef {object} Outcome
 * @property {"stopped"|"completed"|"failed"|"interrupted"|"limited"|"refused"|"abandoned"} kind
 * @property {string} [detail]  The server's own words.
 * @property {object} [problem]  Why it was refused (see api.js, Problem).
 * @property {string} [cause]  Why the page itself ended it, e.g. "microphone-lost".
 */

/** No answer for so long: whether one is on air is not known any more. */
export const LOST_AFTER_MS = 2000;
/** The server says on air, but its frame count stands still for so long. */
export const STALLED_AFTER_MS = 1500;
/** Below this the server hears nothing worth the name (peak, dBFS). */
export const SILENCE_DBFS = -55;
/** Silence for so long is worth a hint. */
export const SILENT_AFTER_MS = 4000;

export const Phase = Object.freeze({
  OFF: "off",
  CONNECTING: "connecting",
  OPENING: "opening",
  ON_AIR: "on_air",
  WAITING: "waiting",
  UNKNOWN: "unknown",
  STOPPING: "stopping",
});

/**
 * The machine at rest.
 * @param {Outcome|null} outcome How the last broadcast ended.
 */
export function idle(outcome = null) {
  return Object.freeze({
    active: false,
    stopping: false,
    cause: null,
    report: null,
    accepted_ms: null,
    answered_ms: null,
    advanced_ms: null,
    on_air_ms: null,
    loud_ms: null,
    outcome,
  });
}

/**
 * The machine after *event*; events that do not concern it leave it as it is.
 *
 * Events: `start {at_ms}` · `accepted {broadcast, at_ms}` · `report {broadcast,
 * asked_ms}` · `stop {cause?}` · `refused {problem}` · `gone {}` (the server
 * knows the broadcast no more) · `abandoned {cause}` (given up before it was accepted).
 */
export function step(machine, event) {
  const turn = TURNS[event.kind];
  return turn ? Object.freeze(turn(machine, event)) : machine;
}

const TURNS = {
  start: (machine, { at_ms }) =>
    machine.active ? machine : { ...idle(), active: true, answered_ms: at_ms },

  accepted(machine, { broadcast, at_ms }) {
    if (!machine.active || machine.report) return machine;
    return { ...machine, report: broadcast, answered_ms: at_ms, accepted_ms: at_ms };
  },

  report(machine, { broadcast, asked_ms }) {
    if (broadcast.id !== machine.report?.id) return machine; // an earlier broadcast's
    if (asked_ms < machine.answered_ms) return machine; // overtaken by a newer answer
    if (broadcast.state === "ended") return idle(outcomeOf(machine, broadcast));
    return heard({ ...machine, answered_ms: asked_ms }, broadcast, asked_ms);
  },

  stop(machine, { cause = null }) {
    if (!machine.active || machine.stopping) return machine;
    return { ...machine, stopping: true, cause };
  },

  refused: (machine, { problem }) =>
    machine.active ? idle({ kind: "refused", problem }) : machine,

  gone: (machine) =>
    machine.active ? idle({ kind: "stopped", cause: machine.cause }) : machine,

  abandoned: (machine, { cause }) =>
    machine.active ? idle({ kind: "abandoned", cause: cause ?? machine.cause }) : machine,
};

/** Take in what a fresh answer says about frames, level and the air. */
function heard(machine, broadcast, at_ms) {
  const advanced = broadcast.frames > machine.report.frames;
  const on_air = broadcast.state === "on_air";
  const loud = (broadcast.level?.peak_dbfs ?? -Infinity) > SILENCE_DBFS;
  return {
    ...machine,
    report: broadcast,
    advanced_ms: advanced ? at_ms : machine.advanced_ms,
    on_air_ms: machine.on_air_ms ?? (on_air && advanced ? at_ms : null),
    loud_ms: loud || !on_air ? at_ms : machine.loud_ms ?? at_ms,
  };
}

function outcomeOf(machine, broadcast) {
  return {
    kind: broadcast.end_reason ?? "stopped",
    detail: broadcast.end_detail || undefined,
    cause: machine.cause,
  };
}

/**
 * What may be shown at *now_ms*.
 * @returns {{name: string, reason: "lost"|"stalled"|null}} `reason` is set with
 *   UNKNOWN, and with STOPPING when the server has not confirmed it in time.
 */
export function phase(machine, now_ms) {
  const lost = now_ms - machine.answered_ms > LOST_AFTER_MS;
  if (!machine.active) return { name: Phase.OFF, reason: null };
  if (machine.stopping) {
    return { name: Phase.STOPPING, reason: lost && machine.report ? "lost" : null };
  }
  if (!machine.report) return { name: Phase.CONNECTING, reason: null };
  if (lost) return { name: Phase.UNKNOWN, reason: "lost" };
  return confirmed(machine, now_ms);
}

/** The phase by a fresh answer of the server. */
function confirmed(machine, now_ms) {
  const { state } = machine.report;
  if (state === "waiting") return { name: Phase.WAITING, reason: null };
  if (state === "opening") return { name: Phase.OPENING, reason: null };
  const since_ms = machine.advanced_ms ?? machine.accepted_ms;
  if (now_ms - since_ms > STALLED_AFTER_MS) return { name: Phase.UNKNOWN, reason: "stalled" };
  const name = machine.advanced_ms === null ? Phase.CONNECTING : Phase.ON_AIR;
  return { name, reason: null };
}

/** Whether the server has heard nothing but silence for a while. */
export function hearsSilence(machine, now_ms) {
  return machine.loud_ms !== null && now_ms - machine.loud_ms > SILENT_AFTER_MS;
}

/** Milliseconds since the server first confirmed ON AIR; null before. */
export function elapsedMs(machine, now_ms) {
  return machine.on_air_ms === null ? null : now_ms - machine.on_air_ms;
}
