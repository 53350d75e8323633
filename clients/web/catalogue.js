/**
 * What can be listened to, and what is on air there. Pure.
 *
 * @typedef {{kind: "zone"|"programme", id: string}} Target  A zone, whatever is on air in
 *   it, or one programme, wherever it is heard.
 * @typedef {object} Catalogue
 * @property {ZoneTree} tree
 * @property {Map<string, {title: string, class: string}>} air  By zone; absent is silent.
 * @property {{id: string, title: string, class: string}[]} programmes  Of their own,
 *   for people who are signed in.
 */

import { CLASSES, ZoneTree, nameOf } from "./zones.js";

/** By GET /public/zones: what anybody may hear. */
export function publicCatalogue(zones) {
  const sounding = zones.filter((zone) => zone.on_air);
  return {
    tree: new ZoneTree(zones),
    air: new Map(sounding.map(({ id, on_air }) => [id, on_air])),
    programmes: [],
  };
}

/**
 * By GET /zones, /air and /broadcasts?state=on_air: what somebody signed in may hear.
 * @param {string|null} bound The zone that their token is bound to, if any.
 */
export function fullCatalogue({ zones, air, broadcasts }, bound = null) {
  const mine = new Set(bound === null ? [] : new ZoneTree(zones).below(bound));
  const covers = (id) => bound === null || mine.has(id);
  const sounding = air.filter((each) => each.class);
  const strongest = (a, b) => CLASSES.indexOf(b.class) - CLASSES.indexOf(a.class);
  return {
    tree: new ZoneTree(zones.filter(({ id, effective_public }) => effective_public || covers(id))),
    air: new Map(sounding.map((each) => [each.zone_id, each])),
    programmes: broadcasts.filter(({ zone_ids }) => zone_ids.every(covers)).sort(strongest),
  };
}

/** What is heard at *target*: `{title, class}`, or null for silence. */
export function onAirAt({ air, programmes }, { kind, id }) {
  if (kind === "zone") return air.get(id) ?? null;
  return programmes.find((programme) => programme.id === id) ?? null;
}

/** Whether *target* is there to be listened to. */
export function holds({ tree, programmes }, { kind, id }) {
  if (kind === "zone") return tree.get(id) !== undefined;
  return programmes.some((programme) => programme.id === id);
}

/** A target's name for people; its id while nothing is known of it. */
export function titleOf({ tree, programmes }, { kind, id }) {
  if (kind === "zone") return nameOf(tree, id);
  return programmes.find((programme) => programme.id === id)?.title ?? id;
}
