/** The microphone's card: permission, choice, level. */

import { make, setText } from "./dom.js";
import { HOT_DBFS } from "./levels.js";
import "./level-meter.js";

const $ = (id) => document.getElementById(id);
/** Below this nobody is speaking (peak, dBFS). */
const QUIET_DBFS = -45;
/** How long a pause in speech may be before it looks like a dead microphone. */
const PAUSE_MS = 3000;

/** Emits "change" when the microphone was opened, changed or lost. */
export class SoundPanel extends EventTarget {
  #microphone;
  #language;
  #notice;
  #loud_ms = -Infinity;
  #hot_ms = -Infinity;

  constructor(microphone, language, notice) {
    super();
    this.#microphone = microphone;
    this.#language = language;
    this.#notice = notice;
    $("allow").addEventListener("click", () => this.choose());
    $("device").addEventListener("change", () => this.choose());
    $("music").addEventListener("change", () => this.choose());
    microphone.addEventListener("change", () => this.#changed());
    language.addEventListener("change", () => this.#listDevices());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#listDevices());
    // A browser may keep sound asleep until something was touched.
    document.addEventListener("pointerdown", () => microphone.wake());
    requestAnimationFrame((now_ms) => this.#draw(now_ms));
  }

  /** Whether processing for voices is off. */
  get music() {
    return $("music").checked;
  }

  /** Neither device nor processing can be changed while on air. */
  set locked(locked) {
    $("sound-choice").disabled = locked;
  }

  /** Open at once what was allowed before. */
  async open() {
    const permission = await navigator.permissions
      ?.query({ name: "microphone" })
      .catch(() => null);
    if (permission?.state === "granted") await this.choose();
  }

  /** Open the microphone as chosen. */
  async choose() {
    try {
      await this.#microphone.open({ deviceId: $("device").value, music: this.music });
      this.#notice.clear();
    } catch (problem) {
      this.#notice.problem(problem);
    }
  }

  #changed() {
    const open = this.#microphone.track !== null;
    $("microphone-off").hidden = open;
    $("microphone-on").hidden = !open;
    this.#listDevices();
    this.dispatchEvent(new Event("change"));
  }

  async #listDevices() {
    const devices = await this.#microphone.devices();
    const options = devices.map(({ deviceId, label }, index) => {
      const name = label || this.#language.text("microphone.unnamed", { n: index + 1 });
      return make("option", { value: deviceId }, name);
    });
    $("device").replaceChildren(...options);
    const current = this.#microphone.deviceId;
    if (current) $("device").value = current;
  }

  #draw(now_ms) {
    requestAnimationFrame((next_ms) => this.#draw(next_ms));
    if (!this.#microphone.track) return;
    const dbfs = this.#microphone.level(now_ms);
    $("local").dbfs = dbfs;
    if (dbfs > QUIET_DBFS) this.#loud_ms = now_ms;
    if (dbfs > HOT_DBFS) this.#hot_ms = now_ms;
    setText($("level-hint"), this.#language.text(`microphone.${this.#verdict(now_ms)}`));
  }

  #verdict(now_ms) {
    if (now_ms - this.#hot_ms < PAUSE_MS) return "hot";
    return now_ms - this.#loud_ms < PAUSE_MS ? "good" : "quiet";
  }
}
