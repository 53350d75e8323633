/** `<zone-chooser>`: a tree of buttons; one zone is listened to. */

import { setClassBadge } from "./class-badge.js";
import { icon, make } from "./dom.js";
import { ZoneTreeView } from "./zone-tree-view.js";

/** With `chosen`, at any time. Emits "choose" (CustomEvent, the zone's id) at a press. */
export class ZoneChooser extends ZoneTreeView {
  #chosen = null;

  /** @param {string|null} id The zone that is marked as chosen. */
  set chosen(id) {
    this.#chosen = id;
    this.refresh();
  }

  label(id, words, level) {
    const badge = make("span", { class: "badge", hidden: true });
    const button = make("button", { type: "button", class: "zone-label" });
    button.append(words, level, badge, icon("play"));
    button.addEventListener("click", () =>
      this.dispatchEvent(new CustomEvent("choose", { detail: id })),
    );
    return button;
  }

  paint(row, id) {
    super.paint(row, id);
    const chosen = id === this.#chosen;
    row.classList.toggle("ticked", chosen);
    row.querySelector(".zone-label").setAttribute("aria-current", String(chosen));
    setClassBadge(row.querySelector(".badge"), this.text, this.air.get(id)?.class);
  }
}

customElements.define("zone-chooser", ZoneChooser);
