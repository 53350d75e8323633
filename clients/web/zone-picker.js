/** `<zone-picker>`: a tree of checkboxes; a ticked zone stands for all below it. */

import { icon, make, setText } from "./dom.js";
import { ZoneTreeView } from "./zone-tree-view.js";
import { covered, listenersIn, tickOf, toggle } from "./zones.js";

/** With `selection`, at any time. Emits "change" when the person ticked something. */
export class ZonePicker extends ZoneTreeView {
  #selection = new Set();

  set tree(tree) {
    const known = new Set(tree.all());
    this.#selection = new Set([...this.#selection].filter((id) => known.has(id)));
    super.tree = tree;
  }

  get tree() {
    return super.tree;
  }

  get selection() {
    return this.#selection;
  }

  set selection(selection) {
    this.#selection = selection;
    this.refresh();
  }

  label(id, words, level) {
    const box = make("input", { type: "checkbox", value: id });
    box.addEventListener("change", () => this.#tick(id));
    const count = make("span", { class: "zone-count" }, icon("speaker"), make("span"));
    return make("label", { class: "zone-label" }, box, words, level, count);
  }

  paint(row, id) {
    super.paint(row, id);
    const tick = tickOf(this.tree, this.#selection, id);
    const box = row.querySelector("input");
    box.checked = tick === "checked";
    box.indeterminate = tick === "mixed";
    row.classList.toggle("ticked", tick === "checked");
    const speakers = listenersIn(covered(this.tree, [id]), this.air);
    const count = row.querySelector(".zone-count");
    count.title = this.text("zones.speakers", { n: speakers });
    setText(count.lastChild, String(speakers));
  }

  #tick(id) {
    this.#selection = toggle(this.tree, this.#selection, id);
    this.refresh();
    this.dispatchEvent(new Event("change"));
  }
}

customElements.define("zone-picker", ZonePicker);
