/** Chooses a language, remembers it and puts it on the page. */

import { LANGUAGES, STRINGS } from "./strings.js";

const STORED = "loacast.language";

/**
 * The text of *key* in *language*, with `{name}` filled in from *values*.
 * @throws {Error} There is no such string: a fault of ours, found by the tests.
 */
export function translate(language, key, values = {}) {
  const entry = STRINGS[key]?.[language];
  if (entry === undefined) throw new Error(`no string "${key}" in "${language}"`);
  const text = typeof entry === "string" ? entry : plural(language, entry, values.n);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? "")).trim();
}

function plural(language, forms, n) {
  return forms[new Intl.PluralRules(language).select(n)] ?? forms.other;
}

/** The language of the page. Emits "change". */
export class Language extends EventTarget {
  #current;

  /** @param {Storage} storage Where the choice is remembered. */
  constructor(storage) {
    super();
    this.storage = storage;
    const stored = storage.getItem(STORED);
    this.#current = LANGUAGES.includes(stored) ? stored : LANGUAGES[0];
  }

  get current() {
    return this.#current;
  }

  set current(language) {
    if (!LANGUAGES.includes(language)) return;
    this.#current = language;
    this.storage.setItem(STORED, language);
    this.dispatchEvent(new Event("change"));
  }

  /** Text in the current language; see translate(). */
  text = (key, values) => translate(this.#current, key, values);

  /** Whether there is a string of this name. */
  has = (key) => key in STRINGS;

  /**
   * Fill in every element below *root* that names a string: `data-text` its content,
   * `data-label` its aria-label, `data-placeholder` its placeholder.
   */
  fill(root) {
    for (const element of root.querySelectorAll("[data-text]")) {
      element.textContent = this.text(element.dataset.text);
    }
    for (const element of root.querySelectorAll("[data-label]")) {
      element.setAttribute("aria-label", this.text(element.dataset.label));
    }
    for (const element of root.querySelectorAll("[data-placeholder]")) {
      element.placeholder = this.text(element.dataset.placeholder);
    }
  }
}
