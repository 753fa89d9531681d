// @ts-check
/** Reading of a map: an npy file whose rows are id (uint64), x and y (float32), video and spare (uint32). */

const ROW_BYTES = 24;

/** @typedef {{count: number, ids: BigUint64Array, x: Float32Array, y: Float32Array, video: Uint32Array}} Points */

/**
 * @param {ArrayBuffer} file
 * @returns {Points}
 */
export function readPoints(file) {
  const view = new DataView(file);
  if (view.getUint8(0) !== 0x93) throw new Error("The map is not an npy file.");
  const begin = view.getUint8(6) === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true);
  const count = Math.floor((file.byteLength - begin) / ROW_BYTES);
  const points = { count, ids: new BigUint64Array(count), x: new Float32Array(count), y: new Float32Array(count), video: new Uint32Array(count) };
  for (let i = 0, at = begin; i < count; i += 1, at += ROW_BYTES) {
    points.ids[i] = view.getBigUint64(at, true);
    points.x[i] = view.getFloat32(at + 8, true);
    points.y[i] = view.getFloat32(at + 12, true);
    points.video[i] = view.getUint32(at + 16, true);
  }
  return points;
}

/**
 * A patch's id as hexadecimal digits.
 * @param {bigint} id
 */
export function written(id) {
  return id.toString(16).padStart(16, "0");
}
