import assert from "node:assert/strict";
import { test } from "node:test";

import * as catalogue from "../../../clients/web/catalogue.js";

const NEWS = { title: "Bản tin", class: "normal" };
const zone = (id, parent_id, more = {}) => ({
  id,
  parent_id,
  name: id.toUpperCase(),
  level: "village",
  ...more,
});
const at = (kind, id) => ({ kind, id });

test("what is public stands alone, its parents left out", () => {
  const open = catalogue.publicCatalogue([
    zone("c", null, { on_air: null }),
    zone("v", "c", { on_air: NEWS }),
    zone("w", "hidden", { on_air: null }),
  ]);
  assert.deepEqual(open.tree.roots, ["c", "w"]);
  assert.deepEqual(catalogue.onAirAt(open, at("zone", "v")), NEWS);
  assert.equal(catalogue.onAirAt(open, at("zone", "c")), null);
  assert.equal(catalogue.titleOf(open, at("zone", "v")), "V · C");
  assert.ok(catalogue.holds(open, at("zone", "v")));
  assert.ok(!catalogue.holds(open, at("zone", "hidden")));
  assert.deepEqual(open.programmes, []);
});

const ZONES = [
  zone("p", null),
  zone("c1", "p"),
  zone("v1", "c1"),
  zone("c2", "p", { effective_public: true }),
  zone("c3", "p"),
];
const AIR = [
  { zone_id: "v1", title: "Bản tin", class: "normal", broadcast_id: "b1" },
  { zone_id: "c1", title: null, class: null, broadcast_id: null },
];
const BROADCASTS = [
  { id: "b1", title: "Bản tin", class: "normal", zone_ids: ["v1"] },
  { id: "b2", title: "Lũ", class: "emergency", zone_ids: ["p"] },
];

test("an unbound token sees all, the strongest programme first", () => {
  const all = catalogue.fullCatalogue({ zones: ZONES, air: AIR, broadcasts: BROADCASTS });
  assert.deepEqual(all.tree.all().sort(), ["c1", "c2", "c3", "p", "v1"]);
  assert.deepEqual(all.programmes.map(({ id }) => id), ["b2", "b1"]);
  assert.equal(catalogue.onAirAt(all, at("zone", "v1")).title, "Bản tin");
  assert.equal(catalogue.onAirAt(all, at("zone", "c1")), null);
});

test("a bound token sees its zone, what is public, and programmes for its zone alone", () => {
  const mine = catalogue.fullCatalogue({ zones: ZONES, air: AIR, broadcasts: BROADCASTS }, "c1");
  assert.deepEqual(mine.tree.all().sort(), ["c1", "c2", "v1"]);
  assert.deepEqual(mine.programmes.map(({ id }) => id), ["b1"]);
});

test("a programme that is over is silent and gone, its name unknown", () => {
  const all = catalogue.fullCatalogue({ zones: ZONES, air: AIR, broadcasts: BROADCASTS });
  assert.equal(catalogue.onAirAt(all, at("programme", "b1")).class, "normal");
  assert.equal(catalogue.titleOf(all, at("programme", "b2")), "Lũ");
  assert.equal(catalogue.onAirAt(all, at("programme", "b9")), null);
  assert.ok(!catalogue.holds(all, at("programme", "b9")));
  assert.equal(catalogue.titleOf(all, at("programme", "b9")), "b9");
});
