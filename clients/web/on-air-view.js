/** Draws what the machine allows to claim: the phase, the clock, who hears it. */

import { clockText, icon, make, setIcon, setText } from "./dom.js";
import { Phase, elapsedMs, hearsSilence, phase } from "./state.js";

const $ = (id) => document.getElementById(id);
/** Zones listed by name; the rest is a number. */
const MAX_LISTED = 40;
/** Phases in which there is something to tell about who hears it. */
const TELLING = new Set([Phase.OPENING, Phase.ON_AIR, Phase.WAITING, Phase.UNKNOWN]);

export class OnAirView {
  #language;
  #form;
  #spoken = null;
  #listed = null;

  /**
   * @param {import("./language.js").Language} language
   * @param {import("./order-form.js").OrderForm} form Knows zones and their programmes.
   */
  constructor(language, form) {
    this.#language = language;
    this.#form = form;
    language.addEventListener("change", () => (this.#listed = null));
  }

  /** Draw *machine* as it stands at *now_ms*; cheap when nothing changed. */
  draw(machine, now_ms) {
    const now = phase(machine, now_ms);
    document.body.dataset.phase = now.name;
    document.body.classList.toggle("live", machine.active);
    const detail = this.#detail(machine, now, now_ms);
    const { text } = this.#language;
    setText($("phase"), text(`phase.${now.name}`));
    setText($("phase-detail"), detail);
    setText($("phase-title"), machine.report?.title ?? "");
    setIcon($("hero"), now.name);
    const title = now.name === Phase.ON_AIR ? "page.title.on_air" : "page.title";
    document.title = text(title);
    this.#drawClock(machine, now_ms);
    this.#drawAudience(machine, now);
    this.#announce(now, detail);
  }

  #detail(machine, { name, reason }, now_ms) {
    const { text } = this.#language;
    if (name === Phase.UNKNOWN) return text(`phase.unknown.${reason}`);
    if (name === Phase.STOPPING && reason) return text("phase.stopping.lost");
    if (name === Phase.WAITING) return this.#whyWaiting(machine);
    if (name === Phase.ON_AIR && hearsSilence(machine, now_ms)) return text("phase.silence");
    if (name === Phase.ON_AIR && !machine.report.heard_by.speakers) {
      return text("phase.on_air.nobody");
    }
    return text(`phase.${name}.detail`);
  }

  #whyWaiting({ report }) {
    const { titles } = this.#form.displaced(report.zone_ids, report.id, false);
    const key = titles ? "phase.waiting.why" : "phase.waiting.detail";
    return this.#language.text(key, { titles });
  }

  #drawClock(machine, now_ms) {
    const elapsed_ms = elapsedMs(machine, now_ms);
    $("clock").hidden = elapsed_ms === null;
    if (elapsed_ms !== null) setText($("clock"), clockText(elapsed_ms));
  }

  #drawAudience({ report }, { name }) {
    $("audience").hidden = !TELLING.has(name);
    if ($("audience").hidden) return;
    const { text } = this.#language;
    const { zones, speakers, listeners } = report.heard_by;
    // What was true two seconds ago is not shown as if it were true now.
    const unknown = name === Phase.UNKNOWN;
    $("audience").classList.toggle("stale", unknown);
    setText($("listeners"), unknown ? "?" : String(speakers));
    setText($("listeners-word"), text("audience.speakers", { n: speakers }));
    const people = unknown ? 0 : listeners - speakers;
    setText($("people"), people ? text("audience.people", { n: people }) : "");
    const heard = zones.filter((zone) => zone.heard).length;
    const count = text("audience.zones", { heard, n: zones.length });
    setText($("listeners-zones"), unknown ? text("audience.unknown") : count);
    this.#drawZones(report, name);
  }

  #drawZones({ id, heard_by }, phase_name) {
    const rows = [...heard_by.zones]
      .sort((a, b) => Number(a.heard) - Number(b.heard))
      .map((zone) => this.#zoneLine(zone, id, phase_name));
    // Rebuilt only when a line differs, so that scrolling and reading are not disturbed.
    const listed = JSON.stringify(rows);
    if (listed === this.#listed) return;
    this.#listed = listed;
    const items = rows.slice(0, MAX_LISTED).map(zoneItem);
    const more = rows.length - MAX_LISTED;
    if (more > 0) {
      const line = this.#language.text("audience.more", { n: more });
      items.push(make("li", { class: "audience-more" }, line));
    }
    $("audience-list").replaceChildren(...items);
  }

  #zoneLine({ zone_id, heard, speakers }, own, phase_name) {
    const { text } = this.#language;
    const line = {
      name: this.#form.nameOf(zone_id),
      speakers: text("zones.speakers", { n: speakers }),
    };
    if (phase_name === Phase.UNKNOWN) {
      return { ...line, kind: "unknown", says: text("audience.unknown") };
    }
    const { n, titles } = this.#form.displaced([zone_id], own, heard);
    if (heard && n) return { ...line, kind: "partly", says: text("audience.partly", { n, titles }) };
    const says = text(phase_name === Phase.OPENING ? "audience.chime" : "audience.heard");
    if (heard) return { ...line, kind: "heard", says };
    const key = titles ? "audience.unheard.why" : "audience.unheard";
    return { ...line, kind: "unheard", says: text(key, { titles }) };
  }

  /** Say a new phase once, aloud and with a buzz: eyes may be on the text to be read. */
  #announce({ name, reason }, detail) {
    const { text } = this.#language;
    const state = `${name}/${reason}`;
    if (state === this.#spoken) return;
    const first = this.#spoken === null;
    this.#spoken = state;
    if (first) return;
    setText($("announcer"), `${text(`phase.${name}`)}. ${detail}`);
    if (name === Phase.ON_AIR) navigator.vibrate?.(60);
    if (name === Phase.UNKNOWN || name === Phase.WAITING) navigator.vibrate?.([80, 80, 80]);
  }
}

const ICONS = { heard: "check", partly: "partly", unheard: "cross", unknown: "unknown" };

function zoneItem({ kind, name, speakers, says }) {
  return make(
    "li",
    { dataset: { kind } },
    icon(ICONS[kind]),
    make("span", { class: "audience-name" }, name, make("small", {}, says)),
    make("span", { class: "audience-speakers" }, speakers),
  );
}
