/** What somebody who is signed in works with: wires the parts, decides nothing else. */

import { Microphone } from "./audio.js";
import { Awake } from "./awake.js";
import { Broadcasting } from "./broadcasting.js";
import { setIcon, setText } from "./dom.js";
import { Emergency } from "./emergency.js";
import { OnAirView } from "./on-air-view.js";
import { OrderForm } from "./order-form.js";
import { SoundPanel } from "./sound-panel.js";
import { Phase, idle, phase } from "./state.js";
import { TalkButton } from "./talk-button.js";
import { Uplink } from "./whip.js";

const $ = (id) => document.getElementById(id);
const TICK_MS = 200;
const AIR_MS = 4000;
/** On air, what displaces us is looked at more often. */
const AIR_LIVE_MS = 1500;

/** Emits "locked-out" (CustomEvent, the problem) when the token counts no more. */
export class Desk extends EventTarget {
  #language;
  #notice;
  #form;
  #view;
  #microphone = new Microphone();
  #sound;
  #button = new TalkButton($("talk"));
  #emergency;
  #awake = new Awake();
  #api = null;
  #me = null;
  #uplink = null;
  #broadcasting = null;
  #air_ms = -Infinity;
  #outcome = null;

  constructor(language, notice) {
    super();
    this.#language = language;
    this.#notice = notice;
    this.#form = new OrderForm(language);
    this.#view = new OnAirView(language, this.#form);
    this.#sound = new SoundPanel(this.#microphone, language, notice);
    this.#emergency = new Emergency(language);
    this.#form.addEventListener("change", () => this.#ordered());
    this.#sound.addEventListener("change", () => this.#soundChanged());
    this.#button.addEventListener("talk", () => this.#talk());
    this.#button.addEventListener("hush", () => this.#broadcasting?.stop());
    $("modes").addEventListener("change", () => this.#modeChanged());
    language.addEventListener("change", () => this.#draw());
    window.addEventListener("beforeunload", (event) => this.#guard(event));
    window.addEventListener("pagehide", () => this.#broadcasting?.leave());
    setInterval(() => this.#tick(), TICK_MS);
  }

  /** Begin to work for *me*. */
  async open({ api, me }) {
    this.#api = api;
    this.#me = me;
    this.#uplink = new Uplink("/whip", api.authorization);
    this.#broadcasting = new Broadcasting(api, this.#uplink);
    this.#broadcasting.addEventListener("change", () => this.#draw());
    this.#broadcasting.addEventListener("problem", ({ detail }) => this.#failed(detail));
    this.#outcome = null;
    try {
      this.#form.open(await api.get("/zones"), me);
    } catch (problem) {
      this.#failed(problem);
    }
    if (this.#api !== api) return;
    $("desk").hidden = false;
    this.#tick();
    await this.#sound.open();
  }

  /** Let go of everything, the microphone too. */
  close() {
    this.#broadcasting?.leave();
    this.#broadcasting?.forget();
    this.#broadcasting = this.#uplink = this.#api = null;
    this.#microphone.close();
    this.#awake.wanted = false;
    $("microphone-off").hidden = false;
    $("microphone-on").hidden = true;
    $("desk").hidden = true;
    document.body.dataset.phase = Phase.OFF;
    document.body.classList.remove("live");
  }

  get #machine() {
    return this.#broadcasting?.machine ?? idle();
  }

  get #hold() {
    return document.querySelector("input[name=mode]:checked").value === "hold";
  }

  async #talk() {
    if (this.#machine.active) return;
    const missing = this.#missing();
    if (missing === "talk.needs.microphone") this.#sound.choose();
    if (missing) return;
    if (this.#form.broadcastClass === "emergency" && !this.#emergency.armed) {
      const hold = this.#hold;
      this.#button.release();
      const confirmed = await this.#emergency.ask(this.#form.zoneNames, hold);
      this.#draw();
      if (!confirmed || hold) return;
    }
    this.#notice.clear();
    const options = { music: this.#sound.music };
    this.#broadcasting.keepWarm = this.#hold;
    this.#broadcasting.start(this.#form.order, this.#microphone.track, options);
  }

  /** Name of the string that says what is still to be done before talking; or null. */
  #missing() {
    if (this.#me.role === "monitor") return "talk.needs.right";
    if (!this.#form.zoneIds.length) return "talk.needs.zones";
    if (!this.#microphone.track) return "talk.needs.microphone";
    return null;
  }

  #ordered() {
    this.#emergency.disarm();
    this.#draw();
  }

  #modeChanged() {
    this.#emergency.disarm();
    this.#warmUp();
    this.#draw();
  }

  #soundChanged() {
    if (this.#microphone.lost) {
      this.#broadcasting?.stop("microphone-lost");
      this.#notice.say(() => this.#language.text("microphone.lost"));
    }
    // Another track needs another session.
    if (!this.#machine.active) this.#uplink?.close();
    this.#warmUp();
    this.#draw();
  }

  /** Who holds to talk does not want to wait for a connection each time. */
  #warmUp() {
    const { track } = this.#microphone;
    if (!this.#uplink || this.#machine.active) return;
    if (!this.#hold) this.#uplink.close();
    else if (track && this.#me.role !== "monitor") {
      // A failure here is no news: the press tries again and then says why.
      this.#uplink.open(track, { music: this.#sound.music }).catch(() => {});
    }
  }

  #guard(event) {
    if (this.#machine.active) event.preventDefault();
  }

  #tick() {
    if (!this.#api) return;
    this.#draw();
    const now_ms = performance.now();
    const every_ms = this.#machine.active ? AIR_LIVE_MS : AIR_MS;
    if (!document.hidden && now_ms - this.#air_ms > every_ms) {
      this.#air_ms = now_ms;
      this.#look(this.#api);
    }
  }

  async #look(api) {
    try {
      const air = await api.get("/air");
      if (api === this.#api) this.#form.air = air;
    } catch (problem) {
      if (problem.status === 401 && api === this.#api) this.#failed(problem);
    }
  }

  #failed(problem) {
    if (problem.status === 401) {
      this.dispatchEvent(new CustomEvent("locked-out", { detail: problem }));
    } else this.#notice.problem(problem);
  }

  #draw() {
    if (!this.#api) return;
    const machine = this.#machine;
    const { active } = machine;
    this.#view.draw(machine, performance.now());
    this.#form.locked = this.#sound.locked = active;
    $("modes").disabled = $("sign-out").disabled = active;
    $("remote").dbfs = machine.report?.level?.peak_dbfs ?? null;
    this.#awake.wanted = active;
    this.#drawButton(machine);
    if (machine.outcome !== this.#outcome) this.#ended(machine.outcome);
  }

  #drawButton(machine) {
    const { text } = this.#language;
    const missing = this.#missing();
    const { label, name } = this.#face(machine, missing);
    this.#button.hold = this.#hold;
    this.#button.talking = machine.active;
    const { name: now } = phase(machine, performance.now());
    const waits = missing !== null && missing !== "talk.needs.microphone";
    $("talk").disabled = machine.active ? now === Phase.STOPPING : waits;
    $("talk").classList.toggle("holds", this.#hold);
    setIcon($("talk"), name);
    setText($("talk-label"), text(label));
    const hint = machine.active ? null : missing ?? this.#readiness();
    setText($("talk-hint"), hint ? text(hint) : "");
  }

  /** Name of the string that helps who is ready to talk; or null. */
  #readiness() {
    if (!this.#hold) return null;
    const emergency = this.#form.broadcastClass === "emergency" && this.#emergency.armed;
    return emergency ? "emergency.armed" : "talk.ready.hold";
  }

  /** What is written on the button. */
  #face(machine, missing) {
    if (machine.stopping) return { label: "talk.stopping", name: "stopping" };
    if (machine.active && this.#hold) return { label: "talk.holding", name: "microphone" };
    if (machine.active) return { label: "talk.stop", name: "stop" };
    if (missing === "talk.needs.microphone") {
      return { label: "microphone.allow", name: "microphone" };
    }
    const unconfirmed =
      this.#form.broadcastClass === "emergency" && !this.#emergency.armed;
    if (unconfirmed) return { label: "talk.confirm", name: "unknown" };
    return { label: this.#hold ? "talk.hold" : "talk.start", name: "microphone" };
  }

  /** A broadcast is over: say so if it was not simply wished. */
  #ended(outcome) {
    this.#outcome = outcome;
    if (!outcome) return;
    if (!this.#hold) this.#emergency.disarm();
    else if (this.#emergency.armed) this.#emergency.renew();
    const { kind, cause, detail, problem } = outcome;
    if (problem) return this.#failed(problem);
    if (cause) this.#notice.say(() => this.#language.text(`outcome.${cause}`));
    else if (["failed", "interrupted", "completed", "limited"].includes(kind)) {
      this.#notice.say(() => this.#language.text(`outcome.${kind}`, { detail }));
    }
    if (this.#microphone.lost) this.#uplink.close();
  }
}
