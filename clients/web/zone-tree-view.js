/** The zone tree as rows that fold and can be searched; what a row does, a subclass says. */

import { icon, make, setText } from "./dom.js";
import { ZoneTree, search } from "./zones.js";

/** Levels that are open at the beginning. */
const OPEN_DEPTH = 1;
/** A whole tree of fewer zones is open at the beginning. */
const OPEN_ALL_BELOW = 12;

/**
 * Set `text` (see Language.text) and `tree`; `air` at any time. Rows are made when they
 * are first seen. A subclass gives `label(id, words, level)` and extends `paint(row, id)`.
 */
export class ZoneTreeView extends HTMLElement {
  #tree = new ZoneTree([]);
  #air = new Map();
  #open = new Set();
  #query = "";
  text = (key) => key;
  /** Name of the string for a tree without zones. */
  emptyText = "zones.empty";

  set tree(tree) {
    this.#tree = tree;
    const known = new Set(tree.all());
    const fresh = this.#open.size === 0;
    if (fresh) for (const id of known) if (this.#opensAtFirst(id, known)) this.#open.add(id);
    this.render();
  }

  get tree() {
    return this.#tree;
  }

  /** @param {Map<string, import("./zones.js").Air>} air */
  set air(air) {
    this.#air = air;
    this.refresh();
  }

  get air() {
    return this.#air;
  }

  /** Show only zones whose name holds *query*; all when it is empty. */
  set query(query) {
    this.#query = query;
    this.render();
  }

  /** Build what is to be seen anew. */
  render() {
    const found = search(this.#tree, this.#query);
    const list = this.#query.trim()
      ? make("ul", { class: "zone-list flat" }, ...found.map((id) => this.#match(id)))
      : this.#branch(this.#tree.roots, "zone-list");
    if (!list.children.length) list.append(this.#empty());
    this.replaceChildren(list);
    this.refresh();
  }

  /** Bring what rows tell up to date, keeping the focus. */
  refresh() {
    for (const row of this.querySelectorAll(".zone-row")) this.paint(row, row.dataset.zone);
  }

  /** Open every branch above *id*. */
  reveal(id) {
    for (const above of this.#tree.ancestorsOf(id)) this.#open.add(above);
    this.render();
  }

  /** Bring one row up to date. */
  paint(row, id) {
    const now = this.#air.get(id);
    const air = row.querySelector(".zone-air");
    air.hidden = !now?.class;
    if (!air.hidden) setText(air.lastChild, this.airWords(now));
  }

  /** What a row says about the programme that is on air there. */
  airWords({ title }) {
    return this.text("zones.on-air", { title });
  }

  #opensAtFirst(id, known) {
    const depth = this.#tree.ancestorsOf(id).length;
    return depth < OPEN_DEPTH || known.size < OPEN_ALL_BELOW;
  }

  #branch(ids, name) {
    return make("ul", { class: name }, ...ids.map((id) => this.#node(id)));
  }

  #node(id) {
    const children = this.#tree.childrenOf(id);
    const node = make("li", {}, this.#row(id, children.length > 0));
    if (children.length && this.#open.has(id)) {
      node.append(this.#branch(children, "zone-branch"));
    }
    return node;
  }

  #match(id) {
    const path = this.#tree.ancestorsOf(id).map((zone) => this.#tree.get(zone).name);
    return make("li", {}, this.#row(id, false, path.join(" · ")));
  }

  #row(id, twists, path = "") {
    const { name, level } = this.#tree.get(id);
    const words = make("span", { class: "zone-words" }, make("span", { class: "zone-name" }, name));
    const under = make("span", { class: "zone-under" });
    if (path) under.append(make("span", { class: "zone-path" }, path));
    under.append(make("span", { class: "zone-air", hidden: true }, icon("wave"), make("span")));
    words.append(under);
    const kind = make("span", { class: "zone-level" }, this.text(`level.${level}`));
    const twist = twists ? this.#twist(id, name) : make("span", { class: "zone-twist" });
    const label = this.label(id, words, kind);
    return make("div", { class: "zone-row", dataset: { zone: id } }, twist, label);
  }

  #twist(id, name) {
    const open = this.#open.has(id);
    const button = make("button", {
      type: "button",
      class: "zone-twist",
      "aria-expanded": String(open),
      "aria-label": this.text(open ? "zones.collapse" : "zones.expand", { name }),
    });
    button.append(icon("chevron"));
    button.addEventListener("click", () => this.#turn(id));
    return button;
  }

  #turn(id) {
    if (!this.#open.delete(id)) this.#open.add(id);
    const node = this.#find(id).parentElement;
    node.replaceWith(this.#node(id));
    this.refresh();
    this.#find(id).querySelector("button").focus();
  }

  #find(id) {
    return this.querySelector(`.zone-row[data-zone="${CSS.escape(id)}"]`);
  }

  #empty() {
    const key = this.#query.trim() ? "zones.no-match" : this.emptyText;
    return make("li", { class: "zone-none" }, this.text(key));
  }
}
