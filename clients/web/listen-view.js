/** Draws what the machine allows to claim: what is heard, of which class, how well. */

import { onAirAt, titleOf } from "./catalogue.js";
import { setClassBadge } from "./class-badge.js";
import { setIcon, setText } from "./dom.js";
import { Phase, onAir, phase, retryInS } from "./listen-state.js";

const $ = (id) => document.getElementById(id);
const LABELS = {
  [Phase.OFF]: ["listen.start", "play"],
  [Phase.BLOCKED]: ["listen.unblock", "play"],
};
const URGENT = [200, 100, 200, 100, 400];

/**
 * @typedef {object} Scene
 * @property {object} machine  See listen-state.js.
 * @property {import("./catalogue.js").Target|null} target
 * @property {boolean} gone  Whether the target is not in the catalogue.
 * @property {import("./catalogue.js").Catalogue} catalogue
 * @property {object} reception  See judge() in reception.js.
 */

export class ListenView {
  #language;
  #spoken = null;

  /** @param {import("./language.js").Language} language */
  constructor(language) {
    this.#language = language;
  }

  /** Draw *scene* as it stands at *now_ms*; cheap when nothing changed. */
  draw(scene, now_ms) {
    const seen = this.#see(scene, now_ms);
    document.body.dataset.phase = seen.phase;
    document.body.dataset.class = seen.heard?.class ?? "";
    document.body.classList.toggle("live", scene.machine.wanted);
    setIcon($("hero"), seen.urgent ? "emergency" : ICONS[seen.phase]);
    setText($("phase"), seen.words);
    setText($("where"), seen.where);
    setText($("phase-title"), seen.programme?.title ?? "");
    setText($("phase-detail"), seen.detail);
    setClassBadge($("class"), this.#language.text, seen.programme?.class);
    document.title = this.#documentTitle(seen);
    this.#drawButtons(scene, seen);
    this.#drawQuality(scene, seen);
    this.#announce(seen);
  }

  /** What there is to tell. `programme` is on air there, `heard` comes through. */
  #see({ machine, target, gone, catalogue }, now_ms) {
    const { text } = this.#language;
    const name = phase(machine, now_ms);
    const off = name === Phase.OFF;
    const known = off ? target && onAirAt(catalogue, target) : onAir(machine, now_ms);
    const programme = name === Phase.SILENT ? null : known;
    const heard = name === Phase.LISTENING ? programme : null;
    const urgent = heard?.class === "emergency";
    const where = target && !gone ? titleOf(catalogue, target) : "";
    const words = text(urgent ? "listen.emergency" : target ? `listen.${name}` : "listen.choose");
    const detail = off
      ? this.#offDetail(target, gone, programme)
      : this.#detail(name, machine, known, now_ms);
    return { phase: name, programme, heard, urgent, where, words, detail };
  }

  #detail(name, machine, known, now_ms) {
    const { text } = this.#language;
    if (name === Phase.LISTENING) return known === undefined ? text("listen.unknown") : "";
    const wait_s = retryInS(machine, now_ms);
    const key = wait_s === null ? `listen.${name}.detail` : "listen.retry";
    return text(key, { n: wait_s });
  }

  #offDetail(target, gone, programme) {
    const { text } = this.#language;
    if (!target) return text("listen.choose.detail");
    if (gone) return text("listen.gone");
    return programme ? "" : text("listen.off.silent");
  }

  #documentTitle({ phase: name, urgent, where, heard }) {
    const { text } = this.#language;
    if (urgent) return text("listen.title.emergency", { title: heard.title, where });
    return text(name === Phase.OFF ? "listen.title" : "listen.title.where", { where });
  }

  #drawButtons({ target, gone }, { phase: name, where }) {
    const { text } = this.#language;
    const [label, symbol] = LABELS[name] ?? ["listen.stop", "stop"];
    $("dock").hidden = name === Phase.OFF && (target === null || gone);
    setIcon($("listen"), symbol);
    setText($("listen-label"), text(label));
    setText($("listen-hint"), name === Phase.OFF ? where : "");
    $("leave").hidden = name !== Phase.BLOCKED;
    $("retry").hidden = name !== Phase.RECONNECTING;
  }

  #drawQuality({ reception }, { phase: name }) {
    const { text } = this.#language;
    const { verdict, latency_ms, lost, concealed } = reception;
    $("quality").hidden = name !== Phase.LISTENING || verdict === null;
    if ($("quality").hidden) return;
    $("quality").dataset.verdict = verdict;
    setText($("verdict"), text(`quality.${verdict}`));
    const percent = new Intl.NumberFormat(this.#language.current, {
      style: "percent",
      maximumFractionDigits: 1,
    });
    setText($("latency"), `${latency_ms} ms`);
    setText($("loss"), percent.format(lost));
    setText($("concealed"), percent.format(concealed));
  }

  /** Say what is new once; an emergency louder than the rest. */
  #announce({ phase: name, heard, urgent, words, where, detail }) {
    const state = JSON.stringify([name, heard?.title, heard?.class, where]);
    if (state === this.#spoken) return;
    const first = this.#spoken === null;
    this.#spoken = state;
    setText($("alarm"), urgent ? `${words}. ${heard.title}. ${where}` : "");
    if (urgent) navigator.vibrate?.(URGENT);
    if (first || urgent) return;
    setText($("announcer"), [words, where, heard?.title, detail].filter(Boolean).join(". "));
  }
}

const ICONS = {
  [Phase.OFF]: "speaker",
  [Phase.CONNECTING]: "connecting",
  [Phase.LISTENING]: "on_air",
  [Phase.SILENT]: "silent",
  [Phase.STALLED]: "unknown",
  [Phase.RECONNECTING]: "connecting",
  [Phase.BLOCKED]: "play",
};
