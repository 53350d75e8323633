/** The deliberate step before an emergency. */

const $ = (id) => document.getElementById(id);
/** A confirmation that was not used counts no longer than this. */
const ARMED_MS = 120_000;

export class Emergency {
  #language;
  #armed_ms = -Infinity;

  constructor(language) {
    this.#language = language;
    $("understood").addEventListener("change", ({ target }) => {
      $("emergency-go").disabled = !target.checked;
    });
  }

  /** Whether it was confirmed and still counts. */
  get armed() {
    return performance.now() - this.#armed_ms < ARMED_MS;
  }

  /** It counts again for the whole while: it is in use. */
  renew() {
    this.#armed_ms = performance.now();
  }

  disarm() {
    this.#armed_ms = -Infinity;
  }

  /**
   * Ask; resolves to whether it was confirmed.
   * @param {string} zones Their names.
   * @param {boolean} hold Whether confirming only arms the button.
   */
  ask(zones, hold) {
    const dialog = $("emergency");
    if (dialog.open) return Promise.resolve(false);
    $("emergency-zones").textContent = zones;
    $("understood").checked = false;
    $("emergency-go").disabled = true;
    $("emergency-go").textContent = this.#language.text(hold ? "emergency.arm" : "emergency.go");
    dialog.returnValue = "cancel"; // Escape leaves it as it is
    dialog.showModal();
    return new Promise((resolve) => {
      const closed = () => {
        const confirmed = dialog.returnValue === "go";
        if (confirmed) this.renew();
        resolve(confirmed);
      };
      dialog.addEventListener("close", closed, { once: true });
    });
  }
}
