import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { translate } from "../../../clients/web/language.js";
import { LANGUAGES, STRINGS } from "../../../clients/web/strings.js";

const PAGES = new URL("../../../clients/web/", import.meta.url);
const read = (name) => readFileSync(new URL(name, PAGES), "utf8");
const sources = readdirSync(PAGES).filter((name) => /\.(js|html)$/.test(name));
const forms = (entry) => (typeof entry === "string" ? [entry] : Object.values(entry));
const holes = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

test("every string is there in every language, with the same blanks", () => {
  for (const [key, entry] of Object.entries(STRINGS)) {
    assert.deepEqual(Object.keys(entry), [...LANGUAGES], key);
    const blanks = LANGUAGES.flatMap((language) => forms(entry[language])).map(holes);
    for (const each of blanks) assert.deepEqual(each, blanks[0], key);
  }
});

test("every string that a page or module names exists", () => {
  for (const name of sources) {
    const text = read(name);
    const named = [
      ...text.matchAll(/data-(?:text|label|placeholder)="([^"]+)"/g),
      ...text.matchAll(/\b(?:text|word)\("([^"]+)"/g),
      ...text.matchAll(/"((?:talk|microphone|emergency|audience|phase|outcome|listen|quality)\.[a-z.-]+)"/g),
    ];
    for (const [, key] of named) assert.ok(key in STRINGS, `${name}: ${key}`);
  }
});

test("the pages show Vietnamese before any script ran", () => {
  for (const name of sources.filter((each) => each.endsWith(".html"))) {
    for (const [, key, text] of read(name).matchAll(/data-text="([^"]+)"[^>]*>([^<]+)</g)) {
      assert.equal(text, STRINGS[key].vi, `${name}: ${key}`);
    }
  }
});

test("no string is left that nothing says", () => {
  const all = sources.filter((name) => name !== "strings.js").map(read).join("\n");
  // Names built from a part that varies: `phase.${name}`.
  const built = [...all.matchAll(/`([a-z.-]+\.)\$\{/g)].map((match) => match[1]);
  for (const key of Object.keys(STRINGS)) {
    const said = all.includes(`"${key}"`) || built.some((start) => key.startsWith(start));
    assert.ok(said, key);
  }
});

test("blanks are filled, plurals chosen", () => {
  assert.equal(translate("en", "zones.speakers", { n: 1 }), "1 speaker");
  assert.equal(translate("en", "zones.speakers", { n: 0 }), "0 speakers");
  assert.equal(translate("vi", "zones.speakers", { n: 1 }), "1 loa");
  assert.throws(() => translate("vi", "no.such.string"));
});

test("what a person typed is never taken for a blank", () => {
  assert.equal(translate("en", "zones.on-air", { title: "{n} $& <b>" }), "On air: {n} $& <b>");
});
