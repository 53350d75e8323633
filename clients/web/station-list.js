/** Keeps the catalogue up to date and shows it: zones to choose, programmes on air. */

import { Api } from "./api.js";
import { fullCatalogue, publicCatalogue } from "./catalogue.js";
import { classBadge } from "./class-badge.js";
import { icon, make } from "./dom.js";
import "./zone-chooser.js";

const $ = (id) => document.getElementById(id);
/**
 * How often the server is asked: by who listens and looks on, listens, looks on. An
 * answer costs it 0.8 ms, so a thousand who look on cost a fifth of a core.
 */
const ASK_MS = { attending: 4000, listening: 12_000, looking: 6000 };
/** Each page asks at its own moment, or all would when a programme begins. */
const SPREAD = 0.25;
const SOON_MS = 400;
/** The public answer may be a second old: when it matters, it is asked for twice. */
const AGAIN_MS = 1300;

/**
 * Emits "news" when the server told what is on air, "choose" (CustomEvent, a Target) at a
 * press, "problem" (CustomEvent) when asking failed.
 */
export class StationList extends EventTarget {
  #language;
  #chooser = $("zones");
  #api = new Api();
  #me = null;
  #zones = "";
  #listed = "";
  #chosen = null;
  #due_ms = 0;
  #again = false;
  #asking = false;
  catalogue = publicCatalogue([]);
  /** The instant of the question that the catalogue answers; null before any. */
  asked_ms = null;
  /** Whether somebody listens; it decides how often is asked. */
  listening = false;

  /** @param {import("./language.js").Language} language */
  constructor(language) {
    super();
    this.#language = language;
    this.#chooser.text = language.text;
    this.#chooser.addEventListener("choose", ({ detail }) => this.#choose("zone", detail));
    $("search").addEventListener("input", ({ target }) => (this.#chooser.query = target.value));
    language.addEventListener("change", () => this.#redraw());
  }

  /**
   * Begin anew as *me*, or as anybody.
   * @param {Api} api @param {object|null} me
   */
  open(api = new Api(), me = null) {
    this.#api = api;
    this.#me = me;
    this.#chooser.emptyText = me ? "zones.empty" : "listen.zones.empty";
    this.catalogue = publicCatalogue([]);
    this.asked_ms = null;
    this.#due_ms = 0;
    this.#asking = false;
    this.tick();
  }

  /** Headers that say who listens. */
  get authorization() {
    return this.#api.authorization;
  }

  /** Mark *target* as chosen; *live* while it is listened to. */
  mark(target, live) {
    this.#chosen = target;
    this.#chooser.mark(target?.kind === "zone" ? target.id : null, live);
    this.#drawProgrammes();
  }

  /** Ask soon, and once more: something seems to have changed. */
  hurry() {
    this.#due_ms = Math.min(this.#due_ms, performance.now() + SOON_MS * Math.random());
    this.#again = true;
    setTimeout(() => this.tick(), SOON_MS);
  }

  /** Ask if it is time; call it often. */
  tick() {
    const now_ms = performance.now();
    const every_ms = this.#again ? AGAIN_MS : this.#everyMs();
    if (this.#asking || every_ms === null || now_ms < this.#due_ms) return;
    this.#again = false;
    this.#due_ms = now_ms + every_ms * (1 + SPREAD * (Math.random() - 0.5));
    this.#ask(now_ms);
  }

  #everyMs() {
    if (document.hidden) return this.listening ? ASK_MS.listening : null;
    return this.listening ? ASK_MS.attending : ASK_MS.looking;
  }

  async #ask(asked_ms) {
    const api = this.#api;
    this.#asking = true;
    try {
      const catalogue = await this.#fetch(api);
      if (api === this.#api) this.#take(catalogue, asked_ms);
    } catch (problem) {
      if (api === this.#api) {
        this.dispatchEvent(new CustomEvent("problem", { detail: problem }));
      }
    }
    if (api === this.#api) this.#asking = false;
  }

  async #fetch(api) {
    if (!this.#me) return publicCatalogue(await api.get("/public/zones"));
    const paths = ["/zones", "/air", "/broadcasts?state=on_air"];
    const [zones, air, broadcasts] = await Promise.all(paths.map((path) => api.get(path)));
    return fullCatalogue({ zones, air, broadcasts }, this.#me.zone_id);
  }

  #take(catalogue, asked_ms) {
    this.catalogue = catalogue;
    this.asked_ms = asked_ms;
    // Rows are built anew only when the zones differ, so that nobody's focus is lost.
    const { tree } = catalogue;
    const zones = JSON.stringify(tree.all().map((id) => tree.get(id)).map(rowOf));
    if (zones !== this.#zones) {
      this.#chooser.tree = tree;
      if (this.#chosen?.kind === "zone") this.#chooser.reveal(this.#chosen.id);
    }
    this.#zones = zones;
    this.#chooser.air = catalogue.air;
    this.#drawProgrammes();
    this.dispatchEvent(new Event("news"));
  }

  #choose(kind, id) {
    this.dispatchEvent(new CustomEvent("choose", { detail: { kind, id } }));
  }

  #redraw() {
    this.#chooser.render();
    this.#listed = "";
    this.#drawProgrammes();
  }

  #drawProgrammes() {
    const { programmes } = this.catalogue;
    const chosen = this.#chosen?.kind === "programme" ? this.#chosen.id : null;
    $("programmes").hidden = programmes.length === 0;
    const listed = JSON.stringify([chosen, programmes.map(({ id, title }) => [id, title])]);
    if (listed === this.#listed) return;
    this.#listed = listed;
    const rows = programmes.map((programme) => this.#programme(programme, chosen));
    $("programme-list").replaceChildren(...rows);
  }

  #programme(programme, chosen) {
    const current = programme.id === chosen;
    const button = make("button", {
      type: "button",
      class: "zone-label",
      "aria-current": String(current),
      dataset: { programme: programme.id },
    });
    const words = make("span", { class: "zone-words" }, programme.title);
    button.append(words, classBadge(this.#language.text, programme.class), icon("play"));
    button.addEventListener("click", () => this.#choose("programme", programme.id));
    return make("li", { class: current ? "zone-row ticked" : "zone-row" }, button);
  }
}

function rowOf({ id, parent_id, name, level }) {
  return [id, parent_id, name, level];
}
