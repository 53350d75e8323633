/** Keeps the screen on while *wanted*; a browser without wake locks just dims. */
export class Awake {
  #lock = null;
  #wanted = false;

  constructor() {
    // A lock is dropped with the page's visibility and must be asked for again.
    document.addEventListener("visibilitychange", () => this.#ask());
  }

  set wanted(wanted) {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    if (wanted) this.#ask();
    else this.#release();
  }

  async #ask() {
    if (!this.#wanted || document.hidden) return;
    try {
      this.#lock = await navigator.wakeLock?.request("screen");
    } catch {
      // Refused, for instance when the battery is low: no reason not to speak.
    }
    if (!this.#wanted) this.#release();
  }

  #release() {
    this.#lock?.release().catch(() => {});
    this.#lock = null;
  }
}
