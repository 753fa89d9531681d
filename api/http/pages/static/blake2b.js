// @ts-check
/**
 * BLAKE2b (RFC 7693) with a digest of 16 bytes, which names a video. Browsers bring no BLAKE2b of their own.
 * A 64-bit word is two 32-bit halves, low one first: JavaScript adds those exactly, and much faster than BigInt.
 */

const DIGEST = 16, BLOCK = 128;
const START = new Uint32Array([
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a,
  0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19,
]);
const ORDER = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const v = new Uint32Array(32), m = new Uint32Array(32);

export class Blake2b {
  constructor() {
    this.h = START.slice();
    this.h[0] ^= 0x01010000 ^ DIGEST;
    this.rest = new Uint8Array(BLOCK);
    this.held = 0; // bytes of `rest` that are filled
    this.count = 0;
  }

  /** @param {Uint8Array} data */
  update(data) {
    for (let at = 0; at < data.length;) {
      if (this.held === BLOCK) { // the last block is kept back: it is compressed in another way
        this.count += BLOCK;
        this.#compress(false);
        this.held = 0;
      }
      const taken = Math.min(BLOCK - this.held, data.length - at);
      this.rest.set(data.subarray(at, at + taken), this.held);
      this.held += taken;
      at += taken;
    }
  }

  /** The digest as 32 hexadecimal digits. */
  digest() {
    this.count += this.held;
    this.rest.fill(0, this.held);
    this.#compress(true);
    return [...new Uint8Array(this.h.buffer, 0, DIGEST)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** @param {boolean} last */
  #compress(last) {
    v.set(this.h);
    v.set(START, 16);
    v[24] ^= this.count >>> 0;
    v[25] ^= Math.floor(this.count / 2 ** 32);
    if (last) { v[28] = ~v[28]; v[29] = ~v[29]; }
    const view = new DataView(this.rest.buffer);
    for (let i = 0; i < 32; i += 1) m[i] = view.getUint32(4 * i, true);
    for (let round = 0; round < 12; round += 1) {
      const s = ORDER[round % 10];
      mix(0, 8, 16, 24, s[0], s[1]); mix(2, 10, 18, 26, s[2], s[3]); mix(4, 12, 20, 28, s[4], s[5]); mix(6, 14, 22, 30, s[6], s[7]);
      mix(0, 10, 20, 30, s[8], s[9]); mix(2, 12, 22, 24, s[10], s[11]); mix(4, 14, 16, 26, s[12], s[13]); mix(6, 8, 18, 28, s[14], s[15]);
    }
    for (let i = 0; i < 16; i += 1) this.h[i] ^= v[i] ^ v[i + 16];
  }
}

/**
 * The mixing function G on words at a, b, c, d (places of their low halves) with message words x and y.
 * @param {number} a @param {number} b @param {number} c @param {number} d @param {number} x @param {number} y
 */
function mix(a, b, c, d, x, y) {
  add(a, v[b], v[b + 1]);
  add(a, m[2 * x], m[2 * x + 1]);
  let low = v[d] ^ v[a], high = v[d + 1] ^ v[a + 1];
  v[d] = high; v[d + 1] = low; // rotated by 32
  add(c, v[d], v[d + 1]);
  low = v[b] ^ v[c]; high = v[b + 1] ^ v[c + 1];
  v[b] = (low >>> 24) | (high << 8); v[b + 1] = (high >>> 24) | (low << 8);
  add(a, v[b], v[b + 1]);
  add(a, m[2 * y], m[2 * y + 1]);
  low = v[d] ^ v[a]; high = v[d + 1] ^ v[a + 1];
  v[d] = (low >>> 16) | (high << 16); v[d + 1] = (high >>> 16) | (low << 16);
  add(c, v[d], v[d + 1]);
  low = v[b] ^ v[c]; high = v[b + 1] ^ v[c + 1];
  v[b] = (high >>> 31) | (low << 1); v[b + 1] = (low >>> 31) | (high << 1);
}

/** @param {number} to @param {number} low @param {number} high */
function add(to, low, high) {
  const sum = v[to] + low;
  v[to + 1] += high + (sum > 0xffffffff ? 1 : 0);
  v[to] = sum;
}
