import assert from "node:assert/strict";
import { test } from "node:test";

import * as zones from "../../../clients/web/zones.js";

const ZONES = [
  { id: "v2", parent_id: "c1", name: "Thôn Đông", level: "village" },
  { id: "p", parent_id: null, name: "Bắc Ninh", level: "province" },
  { id: "c1", parent_id: "p", name: "Xã Đại Đồng", level: "commune" },
  { id: "c2", parent_id: "p", name: "Phường Võ Cường", level: "commune" },
  { id: "v1", parent_id: "c1", name: "Thôn Đoài", level: "village" },
  { id: "v3", parent_id: "c2", name: "Thôn Đông", level: "village" },
];
const tree = new zones.ZoneTree(ZONES);
const air = (entries) =>
  new Map(
    Object.entries(entries).map(([zone_id, [broadcast_id, name, listeners = 1]]) => [
      zone_id,
      { zone_id, broadcast_id, title: broadcast_id, class: name, listeners },
    ]),
  );
const sorted = (set) => [...set].sort();

test("the tree is built from any order, sorted as Vietnamese sorts", () => {
  assert.deepEqual(tree.roots, ["p"]);
  assert.deepEqual(tree.childrenOf("p"), ["c2", "c1"]);
  assert.deepEqual(tree.ancestorsOf("v1"), ["c1", "p"]);
  assert.deepEqual(sorted(tree.below("c1")), ["c1", "v1", "v2"]);
});

test("a token bound to a zone sees that zone and what is below", () => {
  const bound = new zones.ZoneTree(ZONES, "c1");
  assert.deepEqual(sorted(bound.all()), ["c1", "v1", "v2"]);
  assert.deepEqual(new zones.ZoneTree(ZONES, "gone").all(), []);
});

test("a cycle of parents hangs nothing", () => {
  const cycle = new zones.ZoneTree([
    { id: "a", parent_id: "b", name: "a" },
    { id: "b", parent_id: "a", name: "b" },
  ]);
  assert.deepEqual(cycle.ancestorsOf("a"), ["b", "a"]);
});

test("a ticked zone stands for all below it", () => {
  const selection = new Set(["c1"]);
  const ticks = Object.fromEntries(
    tree.all().map((id) => [id, zones.tickOf(tree, selection, id)]),
  );
  assert.deepEqual(ticks, {
    p: "mixed",
    c1: "checked",
    c2: "unchecked",
    v1: "checked",
    v2: "checked",
    v3: "unchecked",
  });
});

test("ticking a zone drops what was ticked below it", () => {
  assert.deepEqual(sorted(zones.toggle(tree, new Set(["v1", "c2"]), "p")), ["p"]);
});

test("unticking a covered zone leaves its siblings on every level", () => {
  assert.deepEqual(sorted(zones.toggle(tree, new Set(["p"]), "v1")), ["c2", "v2"]);
  assert.deepEqual(sorted(zones.toggle(tree, new Set(["c1"]), "c1")), []);
});

test("law: no selection ever holds a zone and its ancestor, and a click flips the tick", () => {
  let selection = new Set();
  for (const id of "v1 c1 v2 p v1 c2 v3 v3 p c1 p c1 v2 v1 c1".split(" ")) {
    const was = zones.tickOf(tree, selection, id) === "checked";
    selection = zones.toggle(tree, selection, id);
    assert.equal(zones.tickOf(tree, selection, id) === "checked", !was);
    for (const each of selection) {
      assert.ok(!tree.ancestorsOf(each).some((above) => selection.has(above)));
    }
  }
});

test("search ignores marks, case and the order of words", () => {
  assert.deepEqual(zones.search(tree, "dai DONG"), ["c1"]);
  assert.deepEqual(zones.search(tree, "đông thôn"), ["v3", "v2"]);
  assert.deepEqual(zones.search(tree, "  "), []);
  assert.deepEqual(zones.search(tree, "thon", 1), ["v3"]);
});

test("equal classes: what is on air stays, but the latest emergency is heard", () => {
  assert.equal(zones.beats("normal", "normal"), false);
  assert.equal(zones.beats("priority", "priority"), false);
  assert.equal(zones.beats("emergency", "emergency"), true);
  assert.equal(zones.beats("priority", "normal"), true);
  assert.equal(zones.beats("normal", "emergency"), false);
});

test("the outlook tells where it sounds, where it waits and for whom", () => {
  const now = air({ v1: ["news", "normal"], v2: ["flood", "priority"], c1: [null, null] });
  const seen = zones.outlook(tree, new Set(["c1"]), now, "normal");
  assert.deepEqual(seen.heard, ["c1"]);
  assert.deepEqual(sorted(seen.waits), ["v1", "v2"]);
  assert.deepEqual(seen.blockers.map((each) => each.title).sort(), ["flood", "news"]);
  const strong = zones.outlook(tree, new Set(["c1"]), now, "emergency");
  assert.deepEqual(strong.waits, []);
  assert.equal(strong.cutsIn.length, 2);
});

test("hearing tells own zones from those of others", () => {
  const now = air({ c1: ["mine", "normal"], v1: ["news", "priority"], v2: [null, null] });
  const seen = zones.hearing(tree, "c1", now, "mine");
  assert.equal(seen.own, 1);
  assert.deepEqual([...seen.others.keys()], ["news"]);
  assert.deepEqual(seen.others.get("news").zones, ["v1"]);
});

test("speakers are counted over the zones given", () => {
  const now = air({ c1: [null, null, 2], v1: [null, null, 5] });
  assert.equal(zones.listenersIn(tree.below("c1"), now), 7);
});
