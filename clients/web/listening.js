/** Listens to one target and keeps at it: carries out what listen-state.js decides. */

import { idle, step } from "./listen-state.js";
import { judge, read, remember } from "./reception.js";
import { Downlink } from "./whep.js";

const TICK_MS = 1000;

/** Emits "change" when something may have to be drawn anew; at least once a second. */
export class Listening extends EventTarget {
  #audio;
  #machine = idle();
  #target = null;
  #authorization = {};
  #downlink = null;
  #carried = 0;
  #samples = [];

  /** @param {HTMLAudioElement} audio Plays what is received. */
  constructor(audio) {
    super();
    this.#audio = audio;
    audio.addEventListener("playing", () => this.#take("sounding"));
    audio.addEventListener("pause", () => this.#paused());
    window.addEventListener("online", () => this.hurry());
    window.addEventListener("pagehide", () => this.leave({ keepalive: true }));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.hurry();
    });
    setInterval(() => this.#tick(), TICK_MS);
  }

  get machine() {
    return this.#machine;
  }

  /** @returns {import("./catalogue.js").Target|null} What was listened to last. */
  get target() {
    return this.#target;
  }

  /** How well it is received; see judge(). */
  get reception() {
    return judge(this.#samples);
  }

  /**
   * Begin to listen, or change over. Call it from a press: browsers play nothing unasked.
   * @param {import("./catalogue.js").Target} target
   * @param {Record<string, string>} authorization Headers that say who listens, if any.
   */
  listen(target, authorization) {
    this.#target = target;
    this.#authorization = authorization;
    this.#take("listen");
  }

  /** Stop listening. `keepalive` lets the goodbye outlive the page. */
  leave(options) {
    this.#close(options);
    this.#take("leave");
  }

  /** Do not wait any longer before the next attempt. */
  hurry() {
    this.#take("hurry");
  }

  /** Play what the browser refused to play; call it from a press. */
  resume() {
    this.#play();
  }

  /** What the server said is on air at the target, when asked at *asked_ms*. */
  tell(on_air, asked_ms) {
    this.#take("air", { on_air, asked_ms });
  }

  #take(kind, more = {}) {
    const event = { kind, at_ms: performance.now(), chance: Math.random(), ...more };
    this.#machine = step(this.#machine, event);
    this.#follow();
    this.dispatchEvent(new Event("change"));
  }

  /** Keep exactly the connection that the machine wants. */
  #follow() {
    const { link, attempt } = this.#machine;
    const wanted = link === "opening" || link === "open";
    if (this.#downlink && !(wanted && this.#carried === attempt)) this.#close();
    if (link === "opening" && !this.#downlink) this.#open(attempt);
  }

  async #open(attempt) {
    const { kind, id } = this.#target;
    const query = new URLSearchParams({ [QUERY[kind]]: id });
    const downlink = new Downlink(`/whep?${query}`, this.#authorization);
    this.#downlink = downlink;
    this.#carried = attempt;
    this.#samples = [];
    this.#audio.srcObject = downlink.prepare();
    this.#play();
    downlink.addEventListener("state", ({ detail }) =>
      this.#take("ice", { attempt, state: detail }),
    );
    try {
      await downlink.open();
      this.#take("opened", { attempt });
    } catch (problem) {
      this.#take("failed", { attempt, problem });
    }
  }

  #close(options) {
    this.#downlink?.close(options);
    this.#downlink = null;
    this.#audio.srcObject = null;
  }

  async #play() {
    try {
      await this.#audio.play();
      if (this.#machine.blocked) this.#take("sounding");
    } catch (error) {
      // Anything else means that another stream took this one's place.
      if (error.name === "NotAllowedError") this.#take("blocked");
    }
  }

  /** The device paused it, for a telephone call or by a key of the headset. */
  #paused() {
    const { srcObject } = this.#audio;
    if (srcObject?.active && this.#machine.link === "open") this.#take("blocked");
  }

  async #tick() {
    const downlink = this.#downlink;
    const { link, attempt } = this.#machine;
    if (downlink && link === "open") {
      const sample = read(await downlink.stats());
      if (downlink !== this.#downlink) return;
      this.#samples = remember(this.#samples, sample);
      this.#take("measured", { attempt, packets: sample.packets, checks: sample.checks });
      if (this.#audio.paused) this.#take("blocked");
    }
    this.#take("tick");
  }
}

/** What a kind of target is called in the WHEP URL. */
const QUERY = { zone: "zone", programme: "broadcast" };
