// @ts-check
/** A line chart as SVG with labelled axes, a grid, and a read-out under the pointer or the arrow keys. */

import { draw, make } from "./dom.js";

const WIDTH = 480, HEIGHT = 220, LEFT = 56, RIGHT = 12, TOP = 12, BOTTOM = 40;

/**
 * Draw `points` (x, y in the order of x).
 * @param {string} title
 * @param {string} across label of the x axis
 * @param {string} up label of the y axis
 * @param {[number, number][]} points
 * @returns {HTMLElement}
 */
export function lineChart(title, across, up, points) {
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  const steps = ticks(Math.min(...ys), Math.max(...ys), 4);
  const [y0, y1] = [steps[0], steps[steps.length - 1]];
  const place = (/** @type {number} */ x, /** @type {number} */ y) => [
    LEFT + ((x - x0) / (x1 - x0 || 1)) * (WIDTH - LEFT - RIGHT),
    HEIGHT - BOTTOM - ((y - y0) / (y1 - y0 || 1)) * (HEIGHT - TOP - BOTTOM),
  ];
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": `${title}: ${words(ys[ys.length - 1])} at ${across} ${words(xs[xs.length - 1])}` });
  for (const y of steps) {
    const [, at] = place(x0, y);
    svg.append(draw("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at, class: "grid" }));
    svg.append(draw("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, words(y)));
  }
  for (const x of ticks(x0, x1, 5).filter((x) => x >= x0 && x <= x1)) {
    const [at] = place(x, y0);
    svg.append(draw("text", { x: at, y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, words(x)));
  }
  svg.append(draw("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle", class: "axis" }, across));
  svg.append(draw("text", { x: 12, y: (TOP + HEIGHT - BOTTOM) / 2, "text-anchor": "middle", class: "axis", transform: `rotate(-90 12 ${(TOP + HEIGHT - BOTTOM) / 2})` }, up));
  svg.append(draw("polyline", { class: "curve", points: points.map(([x, y]) => place(x, y).map((v) => v.toFixed(1)).join(",")).join(" ") }));
  const dot = draw("circle", { r: 4, class: "dot", visibility: "hidden" });
  svg.append(dot);
  const said = make("figcaption", { class: "small quiet" }, `${title}: ${words(ys[ys.length - 1])}`);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = x0 + (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT) * (x1 - x0);
    const near = points.reduce((best, one) => (Math.abs(one[0] - x) < Math.abs(best[0] - x) ? one : best));
    const [cx, cy] = place(near[0], near[1]);
    dot.setAttribute("cx", String(cx));
    dot.setAttribute("cy", String(cy));
    dot.setAttribute("visibility", "visible");
    said.textContent = `${title}: ${words(near[1])} at ${across} ${words(near[0])}`;
  });
  svg.addEventListener("pointerleave", () => {
    dot.setAttribute("visibility", "hidden");
    said.textContent = `${title}: ${words(ys[ys.length - 1])}`;
  });
  return make("figure", { class: "charted" }, make("h3", {}, title), svg, said);
}

/**
 * Round numbers that span a range, about `count` of them.
 * @param {number} low
 * @param {number} high
 * @param {number} count
 * @returns {number[]}
 */
export function ticks(low, high, count) {
  if (high - low < 1e-9) [low, high] = [low - Math.abs(low || 1) * 0.1, high + Math.abs(high || 1) * 0.1];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough;
  const first = Math.floor(low / step), last = Math.ceil(high / step);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/**
 * A number for people.
 * @param {number} value
 * @returns {string}
 */
export function words(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 0.001) return value.toExponential(1);
  return value.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 0 : size >= 1 ? 2 : 3 });
}
