/** Turns clicks, fingers and keys on one button into "talk" and "hush". */

/**
 * Drives *button*. Emits "talk" when the person wants to be heard and "hush" when not.
 *
 * In toggle mode each press changes the wish; `talking` tells which way. In hold mode
 * the wish lasts as long as the finger, the mouse button or the space bar is down, and
 * whatever makes it uncertain ends it: a cancelled pointer, a lost focus, a hidden page.
 */
export class TalkButton extends EventTarget {
  #button;
  #held = null;
  hold = false;
  /** Whether a broadcast is under way: the page keeps it true to the machine. */
  talking = false;

  /** @param {HTMLButtonElement} button */
  constructor(button) {
    super();
    this.#button = button;
    button.addEventListener("click", () => this.#click());
    button.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      button.addEventListener(name, (event) => this.#letGo(event.pointerId));
    }
    button.addEventListener("blur", () => this.release());
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => this.#keyDown(event));
    document.addEventListener("keyup", (event) => this.#keyUp(event));
    document.addEventListener("visibilitychange", () => document.hidden && this.release());
    window.addEventListener("blur", () => this.release());
    window.addEventListener("pagehide", () => this.release());
  }

  /** Whether it is held down. */
  get held() {
    return this.#held !== null;
  }

  /** Let go, whatever held it. */
  release() {
    if (this.held) this.#letGo(this.#held);
  }

  #click() {
    if (!this.hold) this.#emit(this.talking ? "hush" : "talk");
  }

  #pointerDown(event) {
    if (!this.hold || event.button !== 0 || this.#button.disabled) return;
    this.#button.setPointerCapture(event.pointerId);
    this.#grip(event.pointerId);
  }

  #keyDown(event) {
    if (!this.hold || event.code !== "Space" || !this.#meant(event)) return;
    event.preventDefault(); // no scrolling, no click at its end
    if (!event.repeat && !this.#button.disabled) this.#grip("Space");
  }

  #keyUp(event) {
    if (event.code !== "Space" || this.#held !== "Space") return;
    event.preventDefault();
    this.#letGo("Space");
  }

  /** The space bar belongs to us on the button and where nothing else has the focus. */
  #meant(event) {
    if (document.querySelector("dialog[open]")) return false;
    return event.target === this.#button || event.target === document.body;
  }

  #grip(what) {
    if (this.held) return;
    this.#held = what;
    this.#emit("talk");
  }

  #letGo(what) {
    if (!this.held || this.#held !== what) return;
    this.#held = null;
    this.#emit("hush");
  }

  #emit(name) {
    this.dispatchEvent(new Event(name));
  }
}
