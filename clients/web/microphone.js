/** The microphone page: composition root. */

import { Desk } from "./desk.js";
import { loadIcons } from "./icons.js";
import { Language } from "./language.js";
import { Masthead } from "./masthead.js";
import { Notice } from "./notice.js";
import { Session } from "./session.js";
import { SignIn } from "./sign-in.js";

const $ = (id) => document.getElementById(id);

const language = new Language(localStorage);
const session = new Session();
const notice = new Notice($("notice"), language);
const signIn = new SignIn($("sign-in"), session, language);
const desk = new Desk(language, notice);
const masthead = new Masthead(language, "page.title");

signIn.addEventListener("entered", ({ detail }) => work(detail));
desk.addEventListener("locked-out", ({ detail }) => leave(detail));
$("sign-out").addEventListener("click", () => leave());
masthead.open();
loadIcons();
signIn.resume();

/** Somebody signed in. */
function work({ api, me, server }) {
  notice.clear();
  $("who").textContent = `${me.name} · ${server.name}`;
  $("sign-out").hidden = false;
  desk.open({ api, me });
}

/** Sign out; with a *problem*, say why. */
function leave(problem = null) {
  desk.close();
  session.leave();
  $("who").textContent = "";
  $("sign-out").hidden = true;
  signIn.show(problem);
}
