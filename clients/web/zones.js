/**
 * The zone tree, what is ticked in it, and what a class would meet there. Pure.
 *
 * A ticked zone stands for all below it, so a selection never holds a zone together
 * with one of its ancestors.
 *
 * @typedef {object} Zone  As in GET /api/v1/zones.
 * @typedef {object} Air  As in GET /api/v1/air.
 */

/** From the weakest to the strongest (streamer/air/priority.py). */
export const CLASSES = Object.freeze(["background", "normal", "priority", "emergency"]);

export class ZoneTree {
  #zones = new Map();
  #children = new Map();

  /**
   * @param {Zone[]} zones In any order. A zone whose parent is not among them is a root,
   *   so a token bound to a commune sees a tree that starts there.
   * @param {string|null} root Only this zone and what is below it.
   */
  constructor(zones, root = null) {
    for (const zone of zones) this.#zones.set(zone.id, zone);
    const collator = new Intl.Collator("vi", { numeric: true });
    const sorted = [...zones].sort((a, b) => collator.compare(a.name, b.name));
    for (const zone of sorted) {
      const parent = this.#zones.has(zone.parent_id) ? zone.parent_id : null;
      if (!this.#children.has(parent)) this.#children.set(parent, []);
      this.#children.get(parent).push(zone.id);
    }
    if (root !== null) this.#children.set(null, this.#zones.has(root) ? [root] : []);
  }

  get roots() {
    return this.childrenOf(null);
  }

  get(id) {
    return this.#zones.get(id);
  }

  childrenOf(id) {
    return this.#children.get(id) ?? [];
  }

  /** Ids from the parent up to the root. */
  ancestorsOf(id) {
    const found = [];
    let parent = this.get(id)?.parent_id;
    while (this.#zones.has(parent) && !found.includes(parent)) {
      found.push(parent);
      parent = this.get(parent).parent_id;
    }
    return found;
  }

  /** *id* and everything below it. */
  below(id) {
    return [id, ...this.childrenOf(id).flatMap((child) => this.below(child))];
  }

  /** Every zone that can be reached from the roots. */
  all() {
    return this.roots.flatMap((root) => this.below(root));
  }
}

/** Whether *id* is "checked", "mixed" (something below it is) or "unchecked". */
export function tickOf(tree, selection, id) {
  if ([id, ...tree.ancestorsOf(id)].some((zone) => selection.has(zone))) return "checked";
  const below = [...selection].some((zone) => tree.ancestorsOf(zone).includes(id));
  return below ? "mixed" : "unchecked";
}

/**
 * The selection after a click on *id*.
 *
 * Ticking a zone drops what was ticked below it. Unticking one that is only covered by
 * an ancestor breaks the ancestor up into the siblings on the way down.
 */
export function toggle(tree, selection, id) {
  if (tickOf(tree, selection, id) !== "checked") {
    const below = new Set(tree.below(id));
    return new Set([...[...selection].filter((zone) => !below.has(zone)), id]);
  }
  const next = new Set(selection);
  if (next.delete(id)) return next;
  const path = [id, ...tree.ancestorsOf(id)];
  const covering = path.findIndex((zone) => selection.has(zone));
  next.delete(path[covering]);
  for (let depth = covering; depth > 0; depth -= 1) {
    for (const child of tree.childrenOf(path[depth])) {
      if (child !== path[depth - 1]) next.add(child);
    }
  }
  return next;
}

/** Lower case without marks, so that "dai dong" finds "Đại Đồng". */
export function fold(text) {
  return text
    .normalize("NFD")
    .replace(/\p{Mark}/gu, "")
    .replace(/[đĐ]/g, "d")
    .toLowerCase();
}

/** Ids of the zones whose name holds every word of *query*, in the tree's order. */
export function search(tree, query, limit = 100) {
  const words = fold(query).split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const matches = (id) => {
    const name = fold(tree.get(id).name);
    return words.every((word) => name.includes(word));
  };
  return tree.all().filter(matches).slice(0, limit);
}

/** A zone's name for people; villages share names, so their commune's comes with it. */
export function nameOf(tree, id) {
  const zone = tree.get(id);
  if (!zone) return id;
  const shared = zone.level === "village" || zone.level === "cluster";
  const above = shared ? tree.get(zone.parent_id)?.name : null;
  return above ? `${zone.name} · ${above}` : zone.name;
}

/** Every zone the selection stands for. */
export function covered(tree, selection) {
  return new Set([...selection].flatMap((id) => tree.below(id)));
}

/**
 * What a programme of *broadcastClass* would meet in the selection now.
 *
 * @param {Map<string, Air>} air By zone id; a zone that is absent is silent.
 * @returns {{heard: string[], waits: string[], cutsIn: Air[], blockers: Air[]}} Zones where
 *   it would sound at once and where it would wait; the programmes (one entry each) that
 *   it would interrupt and those it would wait for.
 */
export function outlook(tree, selection, air, broadcastClass) {
  const heard = [];
  const waits = [];
  const cutsIn = new Map();
  const blockers = new Map();
  for (const id of covered(tree, selection)) {
    const now = air.get(id);
    const wins = !now?.broadcast_id || beats(broadcastClass, now.class);
    (wins ? heard : waits).push(id);
    if (now?.broadcast_id) (wins ? cutsIn : blockers).set(now.broadcast_id, now);
  }
  return { heard, waits, cutsIn: [...cutsIn.values()], blockers: [...blockers.values()] };
}

/**
 * Whether a newcomer of class *mine* takes a zone from a programme of class *theirs*.
 *
 * Between equals what is on air keeps the zone, but the latest emergency and the latest
 * background are heard (streamer/air/priority.py; origins are not known here).
 */
export function beats(mine, theirs) {
  if (mine === theirs) return mine === "emergency" || mine === "background";
  return CLASSES.indexOf(mine) > CLASSES.indexOf(theirs);
}

/**
 * What the zones below *id* hear while broadcast *own* is on.
 * @returns {{own: number, others: Map<string, {programme: Air, zones: string[]}>}} In how
 *   many zones it is the own broadcast, and where it is which other one, by broadcast.
 */
export function hearing(tree, id, air, own) {
  const others = new Map();
  let count = 0;
  for (const zone of tree.below(id)) {
    const now = air.get(zone);
    if (!now?.broadcast_id) continue;
    if (now.broadcast_id === own) count += 1;
    else if (others.has(now.broadcast_id)) others.get(now.broadcast_id).zones.push(zone);
    else others.set(now.broadcast_id, { programme: now, zones: [zone] });
  }
  return { own: count, others };
}

/** Speakers connected in *zones*. */
export function listenersIn(zones, air) {
  let sum = 0;
  for (const id of zones) sum += air.get(id)?.listeners ?? 0;
  return sum;
}
