/** `<level-meter>`: a bar of dBFS for eyes, a number for screen readers. */

import { make } from "./dom.js";
import { FLOOR_DBFS, share } from "./levels.js";

/** Numbers that change sixty times a second help no screen reader. */
const SPEAK_EVERY_MS = 1000;

/** Set `dbfs`; name it with `aria-label` or `aria-labelledby`. */
export class LevelMeter extends HTMLElement {
  #bar = make("span", { class: "meter-bar" });
  #spoken_ms = -Infinity;

  connectedCallback() {
    this.setAttribute("role", "meter");
    this.setAttribute("aria-valuemin", String(FLOOR_DBFS));
    this.setAttribute("aria-valuemax", "0");
    this.replaceChildren(this.#bar);
    this.dbfs = null;
  }

  /** @param {number|null} dbfs Null stands for silence. */
  set dbfs(dbfs) {
    // What is not reached is clipped away: that needs no layout.
    this.#bar.style.clipPath = `inset(0 ${((1 - share(dbfs)) * 100).toFixed(1)}% 0 0)`;
    const now_ms = performance.now();
    if (now_ms - this.#spoken_ms < SPEAK_EVERY_MS) return;
    this.#spoken_ms = now_ms;
    const value = Math.round(Math.min(Math.max(dbfs ?? FLOOR_DBFS, FLOOR_DBFS), 0));
    this.setAttribute("aria-valuenow", String(value));
    this.setAttribute("aria-valuetext", `${value} dB`);
  }
}

customElements.define("level-meter", LevelMeter);
