/** What shall be broadcast and where: zones, class, title; with what is on air there. */

import { setText } from "./dom.js";
import { ZoneTree, covered, hearing, listenersIn, nameOf, outlook } from "./zones.js";
import "./zone-picker.js";

const $ = (id) => document.getElementById(id);
/** A list of programmes longer than this helps nobody. */
const MAX_NAMED = 3;

/** Emits "change" whenever what would be ordered, or what it would meet, changed. */
export class OrderForm extends EventTarget {
  #language;
  #picker = $("zones");
  #air = new Map();
  #name = "";

  /** @param {import("./language.js").Language} language */
  constructor(language) {
    super();
    this.#language = language;
    this.#picker.text = language.text;
    this.#picker.addEventListener("change", () => this.#changed());
    $("search").addEventListener("input", ({ target }) => (this.#picker.query = target.value));
    $("clear").addEventListener("click", () => this.#clear());
    $("classes").addEventListener("change", () => this.#changed());
    language.addEventListener("change", () => this.redraw());
  }

  /** Begin anew for *me*, with the zones that their token may speak to. */
  open(zones, me) {
    this.#name = me.name;
    this.#picker.selection = new Set();
    this.#picker.tree = new ZoneTree(zones, me.zone_id);
    document.querySelector("input[name=class][value=normal]").checked = true;
    $("search").value = $("title").value = "";
    this.#picker.query = "";
    this.#changed();
  }

  get tree() {
    return this.#picker.tree;
  }

  get broadcastClass() {
    return document.querySelector("input[name=class]:checked").value;
  }

  get zoneIds() {
    return [...this.#picker.selection];
  }

  /** Names of the zones that are ticked, for people. */
  get zoneNames() {
    return this.zoneIds.map((id) => this.nameOf(id)).join(", ");
  }

  /** Body of POST /broadcasts, but for the source. */
  get order() {
    const fallback = this.#language.text("content.title.default", { name: this.#name });
    return {
      zone_ids: this.zoneIds,
      class: this.broadcastClass,
      title: $("title").value.trim() || fallback.slice(0, 200),
      chime: $("chime").checked,
    };
  }

  /** @param {import("./zones.js").Air[]} air What is on air, by GET /air. */
  set air(air) {
    this.#air = new Map(air.map((each) => [each.zone_id, each]));
    this.#picker.air = this.#air;
    this.#draw();
  }

  /** Nothing can be changed while it is on air. */
  set locked(locked) {
    if ($("setup").disabled === locked) return;
    $("setup").disabled = locked;
    this.#draw();
  }

  /** A zone's name for people. */
  nameOf(id) {
    return nameOf(this.tree, id);
  }

  /**
   * What of *zones* hears other programmes than *own*: in how many zones, and which
   * programmes, for people. None while /air does not know *own* but it `isHeard`: then
   * what we know of the air is older than what we know of the broadcast.
   */
  displaced(zones, own, isHeard) {
    const seen = zones.map((id) => hearing(this.tree, id, this.#air, own));
    const stale = isHeard && ![...this.#air.values()].some((each) => each.broadcast_id === own);
    const programmes = new Map();
    let count = 0;
    for (const { others } of stale ? [] : seen) {
      for (const [id, other] of others) {
        programmes.set(id, other.programme);
        count += other.zones.length;
      }
    }
    return { n: count, titles: this.#titles([...programmes.values()]) };
  }

  /** Put everything into the current language. */
  redraw() {
    this.#picker.render();
    this.#draw();
  }

  #clear() {
    this.#picker.selection = new Set();
    this.#changed();
    $("search").focus();
  }

  #changed() {
    this.#draw();
    this.dispatchEvent(new Event("change"));
  }

  #draw() {
    const { text } = this.#language;
    const chosen = this.#picker.selection;
    const speakers = listenersIn(covered(this.tree, chosen), this.#air);
    $("clear").hidden = chosen.size === 0;
    const summary = chosen.size
      ? `${text("zones.chosen", { n: chosen.size })} · ${text("zones.speakers", { n: speakers })}`
      : text("zones.none");
    setText($("chosen"), summary);
    setText($("class-hint"), text(`class.${this.broadcastClass}.hint`));
    $("class-hint").classList.toggle("danger", this.broadcastClass === "emergency");
    this.#drawOutlook(chosen);
  }

  #drawOutlook(chosen) {
    const line = $("outlook");
    // On air it is no question any more what would be heard.
    line.hidden = chosen.size === 0 || $("setup").disabled;
    if (line.hidden) return setText(line, "");
    const { text } = this.#language;
    const seen = outlook(this.tree, chosen, this.#air, this.broadcastClass);
    const [kind, values] = verdict(seen);
    const titles = this.#titles(kind === "cuts" ? seen.cutsIn : seen.blockers);
    line.dataset.kind = kind;
    setText(line, text(`outlook.${kind}`, { ...values, titles }));
  }

  #titles(programmes) {
    const { text } = this.#language;
    const named = programmes.slice(0, MAX_NAMED).map((programme) =>
      text("outlook.programme", {
        title: programme.title,
        class: text(`class.${programme.class}`),
      }),
    );
    return named.join(", ") + (programmes.length > MAX_NAMED ? ", …" : "");
  }
}

/** Which sentence of `outlook.*` says what matters most. */
function verdict({ heard, waits, cutsIn }) {
  if (waits.length && !heard.length) return ["wait", {}];
  if (waits.length) return ["some", { n: waits.length }];
  return [cutsIn.length ? "cuts" : "free", {}];
}
