// @ts-check
/** The path of a track: its box at any time between A and A′, interpolated between the times that were looked at. */

/** @typedef {{start_id: string, times_s: number[], boxes: [number, number, number, number][]}} TrackPath */

/**
 * The box at `time` in seconds, or null before A and after A′.
 * @param {TrackPath} path
 * @param {number} time
 * @returns {[number, number, number, number] | null}
 */
export function boxAt(path, time) {
  const { times_s: times, boxes } = path;
  if (time < times[0] - 0.02 || time > times[times.length - 1] + 0.02) return null;
  const after = times.findIndex((one) => one >= time);
  if (after <= 0) return boxes[after < 0 ? boxes.length - 1 : 0];
  const share = (time - times[after - 1]) / (times[after] - times[after - 1] || 1);
  const [x, y, w, h] = boxes[after].map((to, i) => boxes[after - 1][i] + share * (to - boxes[after - 1][i]));
  return [x, y, w, h];
}

/**
 * The middle of a box.
 * @param {[number, number, number, number]} box
 * @returns {[number, number]}
 */
export function middle([x, y, w, h]) {
  return [x + w / 2, y + h / 2];
}

/**
 * A colour for the track of this number, unlike those of its neighbours.
 * @param {number} number
 */
export function colour(number) {
  return `hsl(${(number * 137.5 + 280) % 360} 85% 60%)`;
}
