/** The bar on top of every page: the language, and with it the page's words and title. */

export class Masthead {
  #language;
  #title;

  /**
   * @param {import("./language.js").Language} language
   * @param {string} title Name of the string that is the document's title.
   */
  constructor(language, title) {
    this.#language = language;
    this.#title = title;
  }

  /** Put the page into the current language, now and whenever it changes. */
  open() {
    for (const button of buttons()) {
      button.addEventListener("click", () => (this.#language.current = button.value));
    }
    this.#language.addEventListener("change", () => this.#speak());
    this.#speak();
  }

  #speak() {
    const { current } = this.#language;
    document.documentElement.lang = current;
    for (const button of buttons()) {
      button.setAttribute("aria-pressed", String(button.value === current));
    }
    this.#language.fill(document);
    document.title = this.#language.text(this.#title);
  }
}

function buttons() {
  return document.querySelectorAll(".language button");
}
