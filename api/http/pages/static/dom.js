// @ts-check
/** Short ways to find and to make elements. Text is always set as text, never as markup. */

/**
 * The one element that `selector` names; a page that lacks it is a defect.
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {HTMLElement}
 */
export function find(selector, within = document) {
  const found = within.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`The page has no ${selector}.`);
  return found;
}

/**
 * Make an element with attributes and children. A false or missing attribute is left out.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | undefined>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

/**
 * Make an SVG element.
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
export function draw(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/**
 * The link to a patch that galleries show.
 * @param {string} id
 * @param {string} bold
 * @param {string} small
 * @returns {HTMLElement}
 */
export function patchCard(id, bold, small) {
  const picture = make("img", { src: `/patches/${id}/image`, width: 96, height: 96, loading: "lazy", alt: `Patch ${id}` });
  const caption = make("div", { class: "caption" }, make("b", {}, bold), small);
  return make("li", {}, make("a", { href: `/browse/patches/${id}` }, picture, caption));
}

/**
 * Whether a key press belongs to a field that takes text.
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
export function typing(event) {
  const at = event.target;
  return event.ctrlKey || event.metaKey || event.altKey ||
    (at instanceof HTMLElement && ["INPUT", "SELECT", "TEXTAREA"].includes(at.tagName));
}
