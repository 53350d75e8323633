/** The few helpers that building elements needs. */

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, `dataset` and children (text stays text). */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "dataset") Object.assign(element.dataset, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** An icon of icons.svg (see icons.js), for the eye only. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "use"));
  setIcon(svg, name);
  return svg;
}

/** Make *svg* show another icon. */
export function setIcon(svg, name) {
  const use = svg.querySelector("use");
  const wanted = `#icon-${name}`;
  if (use.getAttribute("href") !== wanted) use.setAttribute("href", wanted);
}

/** Set text only when it changed, so that live regions do not speak twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Milliseconds as m:ss or h:mm:ss. */
export function clockText(duration_ms) {
  const seconds = Math.max(Math.floor(duration_ms / 1000), 0);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60];
  const hours = Math.floor(seconds / 3600);
  const text = `${String(parts[0]).padStart(hours ? 2 : 1, "0")}:${String(parts[1]).padStart(2, "0")}`;
  return hours ? `${hours}:${text}` : text;
}
