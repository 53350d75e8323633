/** A line that says what went wrong, in the current language, until it is put away. */

/** What to say about *problem* (see api.js); unknown ones keep the server's own words. */
export function explain(language, problem) {
  const { slug, detail } = problem;
  if (language.has(`problem.${slug}`)) return language.text(`problem.${slug}`, { detail });
  const status = { 401: "unauthorized", 403: "forbidden" }[problem.status];
  if (status) return language.text(`problem.${status}`);
  return language.text("problem.unknown", { slug, detail });
}

export class Notice {
  #element;
  #language;
  #say = null;

  /** @param {HTMLElement} element Holds a paragraph and a button. */
  constructor(element, language) {
    this.#element = element;
    this.#language = language;
    element.querySelector("button").addEventListener("click", () => this.clear());
    language.addEventListener("change", () => this.#draw());
  }

  /** @param {import("./api.js").Problem} problem */
  problem(problem) {
    this.say(() => explain(this.#language, problem));
  }

  /** @param {() => string} say Called again when the language changes. */
  say(say) {
    this.#say = say;
    this.#draw();
  }

  clear() {
    this.#say = null;
    this.#draw();
  }

  #draw() {
    this.#element.hidden = this.#say === null;
    this.#element.querySelector("p").textContent = this.#say?.() ?? "";
  }
}
