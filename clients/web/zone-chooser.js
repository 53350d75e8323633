/** `<zone-chooser>`: a tree of buttons; one zone is listened to. */

import { setClassBadge } from "./class-badge.js";
import { icon, make, setIcon } from "./dom.js";
import { ZoneTreeView } from "./zone-tree-view.js";

/** Classes that a row names; of the others the title is enough. */
const NAMED = new Set(["priority", "emergency"]);

/** Emits "choose" (CustomEvent, the zone's id) at a press. */
export class ZoneChooser extends ZoneTreeView {
  #chosen = null;
  #live = false;

  /** Mark zone *id*, or none when null; *live* while it is listened to. */
  mark(id, live) {
    if (id === this.#chosen && live === this.#live) return;
    this.#chosen = id;
    this.#live = live;
    this.refresh();
  }

  label(id, words, level) {
    const badge = make("span", { class: "badge", hidden: true });
    words.querySelector(".zone-air").prepend(badge);
    const button = make("button", { type: "button", class: "zone-label" });
    button.append(words, level, icon("play"));
    button.addEventListener("click", () =>
      this.dispatchEvent(new CustomEvent("choose", { detail: id })),
    );
    return button;
  }

  airWords({ title }) {
    return title;
  }

  paint(row, id) {
    super.paint(row, id);
    const chosen = id === this.#chosen;
    row.classList.toggle("ticked", chosen);
    row.querySelector(".zone-label").setAttribute("aria-current", String(chosen));
    setIcon(row.querySelector(".zone-label > .icon"), chosen && this.#live ? "on_air" : "play");
    const name = this.air.get(id)?.class;
    row.querySelector(".zone-air").dataset.class = name ?? "";
    setClassBadge(row.querySelector(".badge"), this.text, NAMED.has(name) ? name : null);
  }
}

customElements.define("zone-chooser", ZoneChooser);
