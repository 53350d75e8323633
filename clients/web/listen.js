/** The Listen page: composition root. */

import { holds, onAirAt, titleOf } from "./catalogue.js";
import { loadIcons } from "./icons.js";
import { Language } from "./language.js";
import { Phase, onAir, phase } from "./listen-state.js";
import { ListenView } from "./listen-view.js";
import { Listening } from "./listening.js";
import { Masthead } from "./masthead.js";
import { Notice } from "./notice.js";
import { onKeys, tell } from "./now-playing.js";
import { Session } from "./session.js";
import { SignIn } from "./sign-in.js";
import { StationList } from "./station-list.js";
import { joinVolume } from "./volume.js";

const $ = (id) => document.getElementById(id);
const LAST = "loacast.zone";
const PARAMETER = "zone";

const language = new Language(localStorage);
const session = new Session();
const notice = new Notice($("notice"), language);
const signIn = new SignIn($("sign-in"), session, language);
const masthead = new Masthead(language, "listen.title");
const stations = new StationList(language);
const listening = new Listening($("audio"));
const view = new ListenView(language);
/** What the big button listens to. */
let target = remembered();
let flowing = false;
/** The problem of the connection that the notice is about. */
let told = null;
/** Whether the notice says that the server never answered. */
let unanswered = false;

listening.addEventListener("change", follow);
stations.addEventListener("news", learn);
stations.addEventListener("problem", ({ detail }) => miss(detail));
stations.addEventListener("choose", ({ detail }) => listen(detail));
signIn.addEventListener("entered", ({ detail }) => enter(detail));
language.addEventListener("change", draw);
$("listen").addEventListener("click", press);
$("leave").addEventListener("click", () => listening.leave());
$("retry").addEventListener("click", () => listening.hurry());
$("sign-in-open").addEventListener("click", () => ask($("sign-in").hidden));
$("sign-out").addEventListener("click", () => leave());
joinVolume({
  slider: $("volume"),
  field: $("volume-field"),
  audio: $("audio"),
  storage: localStorage,
});
onKeys({ play: () => target && listen(target), stop: () => listening.leave() });
masthead.open();
loadIcons();
if ("RTCPeerConnection" in window) begin();
else notice.say(() => language.text("listen.unsupported"));

/** The zone of the link that led here, or the one listened to last. */
function remembered() {
  const id = new URLSearchParams(location.search).get(PARAMETER) ?? localStorage.getItem(LAST);
  return id ? { kind: "zone", id } : null;
}

async function begin() {
  const { token, stays } = session;
  draw();
  if (token === null) return stations.open();
  try {
    enter(await session.enter(token, stays));
  } catch (problem) {
    // A citizen may listen, whatever became of the token.
    if (problem.status === 401) session.leave();
    notice.problem(problem);
    stations.open();
  }
}

/** Somebody signed in. */
function enter({ api, me, server }) {
  notice.clear();
  ask(false);
  $("who").textContent = `${me.name} · ${server.name}`;
  $("sign-out").hidden = false;
  $("sign-in-open").hidden = true;
  stations.open(api, me);
}

/** Sign out; with a *problem*, say why. */
function leave(problem = null) {
  listening.leave();
  session.leave();
  if (target?.kind === "programme") target = remembered();
  $("who").textContent = "";
  $("sign-out").hidden = true;
  $("sign-in-open").hidden = false;
  stations.open();
  if (problem) notice.problem(problem);
}

/** Show or hide the question for a token. */
function ask(asking) {
  $("desk").hidden = asking;
  $("sign-in-open").setAttribute("aria-expanded", String(asking));
  if (asking) signIn.show();
  else $("sign-in").hidden = true;
}

/** The big button. */
function press() {
  const name = phase(listening.machine, performance.now());
  if (name === Phase.BLOCKED) listening.resume();
  else if (name === Phase.OFF) listen(target);
  else listening.leave();
}

function listen(chosen) {
  target = chosen;
  notice.clear();
  listening.listen(target, stations.authorization);
  if (target.kind === "zone") {
    localStorage.setItem(LAST, target.id);
    history.replaceState(null, "", `?${new URLSearchParams({ [PARAMETER]: target.id })}`);
  }
  learn();
  stations.hurry();
}

/** The server told what is on air. */
function learn() {
  const { catalogue, asked_ms } = stations;
  if (unanswered) notice.clear();
  unanswered = false;
  const [only, ...others] = catalogue.tree.all();
  if (target === null && only && !others.length) target = { kind: "zone", id: only };
  if (listening.machine.wanted) listening.tell(onAirAt(catalogue, target), asked_ms);
  draw();
}

/** The machine moved on. */
function follow() {
  const { machine } = listening;
  stations.listening = machine.wanted;
  // Where sound sets in or stops, something else is on air than was told last.
  const flows = phase(machine, performance.now()) === Phase.LISTENING;
  if (flows !== flowing) stations.hurry();
  flowing = flows;
  stations.tick();
  if (machine.problem !== told) {
    told = machine.problem;
    notice.clear();
    if (told) failed(told);
  }
  draw();
}

/** The connection failed: lastingly, or it is tried again. */
function failed(problem) {
  if (problem.status === 401 && session.token !== null) leave(problem);
  // That nothing answers, the page says by itself while it tries again.
  else if (problem.slug !== "no-connection") notice.problem(problem);
}

/** The server did not tell what is on air: of interest while nothing is known at all. */
function miss(problem) {
  if (problem.status === 401 && session.token !== null) leave(problem);
  else if (stations.asked_ms === null) {
    unanswered = true;
    notice.problem(problem);
  }
}

function draw() {
  const { machine, reception } = listening;
  const { catalogue } = stations;
  const now_ms = performance.now();
  const gone = target !== null && stations.asked_ms !== null && !holds(catalogue, target);
  stations.mark(target, machine.wanted);
  view.draw({ machine, target, gone, catalogue, reception }, now_ms);
  const where = target ? titleOf(catalogue, target) : "";
  const title = onAir(machine, now_ms)?.title ?? where;
  tell(machine.wanted ? { title, where } : null);
}
