/** The sign-in form. */

import { make } from "./dom.js";
import { explain } from "./notice.js";

/** Emits "entered" (CustomEvent, what Session.enter returns). */
export class SignIn extends EventTarget {
  #form;
  #session;
  #language;
  #say = () => "";

  /** @param {HTMLFormElement} form Empty; the fields are put into it. */
  constructor(form, session, language) {
    super();
    form.append(...fields());
    language.fill(form);
    this.#form = form;
    this.#session = session;
    this.#language = language;
    form.addEventListener("submit", (event) => this.#submit(event));
    this.#field("show-token").addEventListener("change", ({ target }) => {
      this.#field("token").type = target.checked ? "text" : "password";
    });
    language.addEventListener("change", () => this.#draw());
  }

  /** Enter with the remembered token; show the form when there is none. */
  async resume() {
    const { token, stays } = this.#session;
    if (token === null) return this.show();
    try {
      await this.#enter(token, stays);
    } catch (problem) {
      if (problem.status === 401) this.#session.leave();
      this.show(problem);
      if (problem.status !== 401) this.#field("token").value = token;
    }
  }

  /** Ask for a token; *problem* says why again. */
  show(problem = null) {
    this.#form.hidden = false;
    this.#tell(problem ? () => explain(this.#language, problem) : () => "");
    this.#field("token").focus();
  }

  async #submit(event) {
    event.preventDefault();
    const token = this.#field("token").value.trim();
    if (!token) return this.#tell(() => this.#language.text("sign-in.empty"));
    this.#busy(true);
    this.#tell(() => "");
    try {
      await this.#enter(token, this.#field("stay").checked);
    } catch (problem) {
      this.#tell(() => explain(this.#language, problem));
      this.#field("token").focus();
    }
    this.#busy(false);
  }

  async #enter(token, stay) {
    const detail = await this.#session.enter(token, stay);
    this.#field("token").value = "";
    this.#form.hidden = true;
    this.dispatchEvent(new CustomEvent("entered", { detail }));
  }

  #busy(busy) {
    const button = this.#form.querySelector("[type=submit]");
    button.disabled = busy;
    button.textContent = this.#language.text(busy ? "sign-in.busy" : "sign-in.submit");
  }

  #tell(say) {
    this.#say = say;
    this.#draw();
  }

  #draw() {
    const text = this.#say();
    this.#field("sign-in-error").textContent = text;
    this.#field("token").setAttribute("aria-invalid", String(text !== ""));
  }

  #field(id) {
    return this.#form.querySelector(`#${id}`);
  }
}

function fields() {
  const word = (key, name = "span", attributes = {}) =>
    make(name, { ...attributes, dataset: { text: key } });
  const token = make("input", {
    id: "token",
    type: "password",
    autocomplete: "current-password",
    autocapitalize: "off",
    spellcheck: "false",
    maxlength: 300,
    "aria-describedby": "sign-in-error",
  });
  const error = make("p", { class: "error", id: "sign-in-error", role: "alert" });
  const tick = (id, ...words) =>
    make("label", { class: "tick" }, make("input", { type: "checkbox", id }), ...words);
  return [
    word("sign-in.heading", "h2"),
    word("sign-in.intro", "p", { class: "hint" }),
    make("div", { class: "field" }, word("sign-in.token", "label", { for: "token" }), token, error),
    tick("show-token", word("sign-in.show")),
    tick("stay", make("span", {}, word("sign-in.stay"), word("sign-in.stay.hint", "small"))),
    word("sign-in.submit", "button", { type: "submit", class: "primary" }),
  ];
}
