/** A programme's class as a badge: word, colour and, where it matters, an icon. */

import { icon, make } from "./dom.js";

/** @param {(key: string) => string} text @param {string} name One of CLASSES. */
export function classBadge(text, name) {
  const badge = make("span", { class: "badge" });
  setClassBadge(badge, text, name);
  return badge;
}

/** Make *badge* say another class; null hides it. */
export function setClassBadge(badge, text, name) {
  badge.hidden = !name;
  const words = name ? text(`class.${name}`) : "";
  if (badge.dataset.class === (name ?? "") && badge.textContent === words) return;
  badge.dataset.class = name ?? "";
  badge.replaceChildren(...(name === "emergency" ? [icon("emergency")] : []), words);
}
