/** `<level-meter>`: a bar of dBFS for eyes, a number for screen readers. */

import { make } from "./dom.js";
import { FLOOR_DBFS, HOT_DBFS, share } from "./levels.js";

/** Numbers that change sixty times a second help no screen reader. */
const SPEAK_EVERY_MS = 1000;

/** Set `dbfs`; name it with `aria-label` or `aria-labelledby`. */
export class LevelMeter extends HTMLElement {
  #mask = make("span", { class: "meter-mask" });
  #spoken_ms = -Infinity;

  connectedCallback() {
    this.setAttribute("role", "meter");
    this.setAttribute("aria-valuemin", String(FLOOR_DBFS));
    this.setAttribute("aria-valuemax", "0");
    this.replaceChildren(this.#mask);
    this.dbfs = null;
  }

  /** @param {number|null} dbfs Null stands for silence. */
  set dbfs(dbfs) {
    // The mask covers what is not reached; scaling it needs no layout.
    this.#mask.style.transform = `scaleX(${(1 - share(dbfs)).toFixed(3)})`;
    this.classList.toggle("hot", dbfs !== null && dbfs > HOT_DBFS);
    const now_ms = performance.now();
    if (now_ms - this.#spoken_ms < SPEAK_EVERY_MS) return;
    this.#spoken_ms = now_ms;
    const value = Math.round(Math.min(Math.max(dbfs ?? FLOOR_DBFS, FLOOR_DBFS), 0));
    this.setAttribute("aria-valuenow", String(value));
    this.setAttribute("aria-valuetext", `${value} dB`);
  }
}

customElements.define("level-meter", LevelMeter);
