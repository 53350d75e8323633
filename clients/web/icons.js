/** Brings the icons into the page. */

const FILE = "/assets/icons.svg";

/**
 * Put the symbols of icons.svg into the document, where `<use href="#icon-…">` finds them.
 *
 * Used straight from the file they would be asked for again with each change, and be
 * missing just when the server is and the page has to show it.
 */
export async function loadIcons() {
  const text = await (await fetch(FILE)).text();
  const svg = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  svg.setAttribute("class", "sprite");
  svg.setAttribute("aria-hidden", "true");
  document.body.prepend(document.importNode(svg, true));
}
