// @ts-check
/** Search for the nearest point, by a grid over the points, because a moving pointer searches at every frame. */

const CELLS = 128;

/** @typedef {import("./npy.js").Points} Points */

/**
 * Sort the points into cells; answers with the function that finds the nearest within `reach`, or -1.
 * @param {Points} points with x and y in -1..1
 * @returns {(x: number, y: number, reach: number) => number}
 */
export function gridOf({ x: xs, y: ys, count }) {
  const cell = (/** @type {number} */ v) => Math.min(CELLS - 1, Math.max(0, Math.floor(((v + 1) / 2) * CELLS)));
  const first = new Uint32Array(CELLS * CELLS + 1), order = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) first[cell(ys[i]) * CELLS + cell(xs[i]) + 1] += 1;
  for (let c = 0; c < CELLS * CELLS; c += 1) first[c + 1] += first[c];
  const next = first.slice();
  for (let i = 0; i < count; i += 1) order[next[cell(ys[i]) * CELLS + cell(xs[i])]++] = i;
  return (x, y, reach) => {
    let best = -1, least = reach * reach;
    for (let row = cell(y - reach); row <= cell(y + reach); row += 1) {
      for (let at = first[row * CELLS + cell(x - reach)]; at < first[row * CELLS + cell(x + reach) + 1]; at += 1) {
        const i = order[at], far = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
        if (far < least) [best, least] = [i, far];
      }
    }
    return best;
  };
}

/**
 * Which points lie inside a polygon.
 * @param {Points} points
 * @param {[number, number][]} polygon
 * @returns {number[]}
 */
export function inside({ x: xs, y: ys, count }, polygon) {
  const found = [];
  const across = polygon.map(([x]) => x), up = polygon.map(([, y]) => y);
  const left = Math.min(...across), right = Math.max(...across), low = Math.min(...up), high = Math.max(...up);
  for (let i = 0; i < count; i += 1) {
    if (xs[i] < left || xs[i] > right || ys[i] < low || ys[i] > high) continue;
    let odd = false;
    for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a, a += 1) {
      const [ax, ay] = polygon[a], [bx, by] = polygon[b];
      if (ay > ys[i] !== by > ys[i] && xs[i] < ((bx - ax) * (ys[i] - ay)) / (by - ay) + ax) odd = !odd;
    }
    if (odd) found.push(i);
  }
  return found;
}
