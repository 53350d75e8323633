/** Starts, watches and stops one broadcast at a time (adapter of state.js). */

import { Phase, idle, phase, step } from "./state.js";

/** How often the server is asked: until one is on air, and then. */
const EAGER_POLL_MS = 200;
const POLL_MS = 500;
/** A poll that hangs is given up, so that the next one can succeed. */
const POLL_TIMEOUT_MS = 1500;
/** After the release the microphone stays open so long: a last syllable is not cut. */
const TAIL_MS = 150;
/** What was said is on its way for about so long; the stop request goes after it. */
const FLIGHT_MS = 150;
const STOP_RETRY_MS = 1000;
/** So many stops without an answer, and the session is torn down as well. */
const STOP_PATIENCE = 3;

const sleep = (delay_ms) => new Promise((resolve) => setTimeout(resolve, delay_ms));

/** Emits "change" whenever `machine` did, "problem" (CustomEvent) on a lost right. */
export class Broadcasting extends EventTarget {
  #api;
  #uplink;
  #machine = idle();
  /** Counts starts, so that one given up while it waited for the link knows it. */
  #starts = 0;
  #linking = false;
  /** Keep the session open after a broadcast: the next one starts at once. */
  keepWarm = false;

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./whip.js").Uplink} uplink
   */
  constructor(api, uplink) {
    super();
    this.#api = api;
    this.#uplink = uplink;
    uplink.addEventListener("lost", () => this.stop("link-lost"));
  }

  get machine() {
    return this.#machine;
  }

  get phase() {
    return phase(this.#machine, performance.now());
  }

  /**
   * Go on air. Returns once it is decided; the rest is told by "change".
   *
   * @param {object} order Body of POST /broadcasts without `source`.
   * @param {MediaStreamTrack} track
   * @param {{music?: boolean}} options As of Uplink.open.
   */
  async start(order, track, options) {
    if (this.#machine.active) return;
    this.#turn({ kind: "start", at_ms: performance.now() });
    const start = (this.#starts += 1);
    let broadcast;
    try {
      this.#linking = true;
      const session_id = await this.#uplink.open(track, options);
      if (start !== this.#starts) return;
      this.#linking = false;
      broadcast = await this.#order(order, session_id).catch(async (problem) => {
        if (problem.slug !== "unknown-session") throw problem;
        // The server was restarted, or closed a session that was idle for long.
        this.#uplink.close();
        return this.#order(order, await this.#uplink.open(track, options));
      });
    } catch (problem) {
      if (start === this.#starts) this.#refuse(problem);
      return;
    }
    this.#turn({ kind: "accepted", broadcast, at_ms: performance.now() });
    if (this.#machine.stopping) this.#stop(broadcast.id);
    await this.#watch(broadcast.id);
  }

  /**
   * Leave the air; harmless when off it.
   * @param {string} [cause] Why, unless the person wished it.
   */
  stop(cause) {
    if (!this.#machine.active || this.#machine.stopping) return;
    if (this.#linking) return this.#abandon(cause);
    this.#turn({ kind: "stop", cause });
    if (this.#machine.report) this.#stop(this.#machine.report.id);
    else this.#uplink.live = false;
  }

  /** The page goes away: end everything with requests that outlive it. */
  leave() {
    const id = this.#machine.report?.id;
    if (this.#machine.active && id) {
      const options = { keepalive: true, timeout_ms: 0 };
      this.#api.post(`/broadcasts/${id}/stop`, undefined, options).catch(() => {});
    }
    this.#uplink.close({ keepalive: true });
  }

  /** After leave(): the person is gone, so what becomes of it is not asked any more. */
  forget() {
    this.#starts += 1;
    this.#linking = false;
    this.#turn({ kind: "gone" });
  }

  #order(order, session_id) {
    this.#uplink.live = true;
    const source = { kind: "microphone", session_id };
    return this.#api.post("/broadcasts", { ...order, source });
  }

  #refuse(problem) {
    this.#linking = false;
    // Perhaps it was accepted and only the answer was lost: without a source it dies.
    this.#uplink.close();
    this.#turn({ kind: "refused", problem });
  }

  /** Give up before the server was asked for anything. */
  #abandon(cause) {
    this.#linking = false;
    this.#starts += 1;
    this.#turn({ kind: "abandoned", cause });
  }

  async #stop(id) {
    await sleep(TAIL_MS);
    this.#uplink.live = false;
    await sleep(FLIGHT_MS);
    for (let attempt = 1; this.#concerns(id); attempt += 1) {
      const asked_ms = performance.now();
      try {
        const broadcast = await this.#api.post(`/broadcasts/${id}/stop`, undefined, {
          timeout_ms: 3000,
        });
        this.#turn({ kind: "report", broadcast, asked_ms });
        return; // if it still drains, the watch sees the end
      } catch (problem) {
        if (problem.status === 409 || problem.status === 404) return;
        if (attempt === STOP_PATIENCE) this.#uplink.close();
      }
      await sleep(STOP_RETRY_MS);
    }
  }

  /** Ask the server how the broadcast is until it has ended. */
  async #watch(id) {
    while (this.#concerns(id)) {
      const asked_ms = performance.now();
      try {
        const broadcast = await this.#api.get(`/broadcasts/${id}`, {
          timeout_ms: POLL_TIMEOUT_MS,
        });
        this.#turn({ kind: "report", broadcast, asked_ms });
      } catch (problem) {
        this.#missed(problem);
      }
      const settled = this.phase.name === Phase.ON_AIR || this.phase.name === Phase.WAITING;
      await sleep(settled ? POLL_MS : EAGER_POLL_MS);
    }
  }

  /** A poll failed: the machine notices by the clock, except for these. */
  #missed(problem) {
    if (problem.status === 404) this.#turn({ kind: "gone" });
    if (problem.status === 401) {
      this.dispatchEvent(new CustomEvent("problem", { detail: problem }));
    }
    this.dispatchEvent(new Event("change"));
  }

  /** It is over. Done at once: the next one may begin at any moment. */
  #settle() {
    this.#uplink.live = false;
    if (!this.keepWarm) this.#uplink.close();
  }

  #concerns(id) {
    return this.#machine.active && this.#machine.report?.id === id;
  }

  #turn(event) {
    const before = this.#machine;
    this.#machine = step(before, event);
    if (before.active && !this.#machine.active) this.#settle();
    if (this.#machine !== before) this.dispatchEvent(new Event("change"));
  }
}
