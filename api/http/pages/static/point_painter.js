// @ts-check
/** Drawing of many points by WebGL: one call draws them all at any position and zoom. */

/** @typedef {import("./npy.js").Points} Points */

const VERTEX = `
attribute vec2 place; attribute vec3 colour; attribute float chosen;
uniform vec2 middle; uniform vec2 scale; uniform float size;
varying vec3 shade;
void main() {
  gl_Position = vec4((place - middle) * scale, 0.0, 1.0);
  gl_PointSize = size * (chosen > 0.5 ? 1.8 : 1.0);
  shade = chosen > 0.5 ? vec3(1.0, 0.25, 0.75) : colour;
}`;
const FRAGMENT = `
precision mediump float; varying vec3 shade;
void main() {
  vec2 at = gl_PointCoord - 0.5;
  if (dot(at, at) > 0.25) discard;
  gl_FragColor = vec4(shade, 1.0);
}`;

export class PointPainter {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Points} points
   */
  constructor(canvas, points) {
    const gl = canvas.getContext("webgl", { antialias: false, preserveDrawingBuffer: false });
    if (!gl) throw new Error("This browser has no WebGL, which the map is drawn by.");
    this.gl = gl;
    this.canvas = canvas;
    this.count = points.count;
    const program = this.program = this.#linked();
    gl.useProgram(program);
    const places = new Float32Array(2 * this.count), colours = new Uint8Array(3 * this.count);
    for (let i = 0; i < this.count; i += 1) {
      places.set([points.x[i], points.y[i]], 2 * i);
      colours.set(colourOf(points.video[i]), 3 * i);
    }
    this.#fill("place", places, 2, gl.FLOAT, false);
    this.#fill("colour", colours, 3, gl.UNSIGNED_BYTE, true);
    this.marks = this.#fill("chosen", new Uint8Array(this.count), 1, gl.UNSIGNED_BYTE, false);
  }

  /**
   * Set the points that are drawn as selected.
   * @param {Iterable<number>} places
   */
  mark(places) {
    const marks = new Uint8Array(this.count);
    for (const i of places) marks[i] = 1;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.marks);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, marks, this.gl.DYNAMIC_DRAW);
  }

  /**
   * Draw with (x, y) in the middle; `zoom` pixels of the page to a unit.
   * @param {number} x
   * @param {number} y
   * @param {number} zoom
   */
  paint(x, y, zoom) {
    const { gl, canvas, program } = this, ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(gl.getUniformLocation(program, "middle"), x, y);
    gl.uniform2f(gl.getUniformLocation(program, "scale"), (2 * zoom) / canvas.clientWidth, (2 * zoom) / canvas.clientHeight);
    const dense = Math.sqrt((canvas.clientWidth * canvas.clientHeight) / this.count);
    gl.uniform1f(gl.getUniformLocation(program, "size"), ratio * Math.min(9, Math.max(2, (dense * zoom) / canvas.clientHeight)));
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  #linked() {
    const { gl } = this, program = /** @type {WebGLProgram} */ (gl.createProgram());
    for (const [kind, text] of /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]])) {
      const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader) ?? "The map's shader does not compile.");
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    return program;
  }

  /**
   * @param {string} name
   * @param {Float32Array | Uint8Array} data
   * @param {number} size
   * @param {number} kind
   * @param {boolean} normalised
   */
  #fill(name, data, size, kind, normalised) {
    const { gl } = this, buffer = /** @type {WebGLBuffer} */ (gl.createBuffer()), place = gl.getAttribLocation(this.program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, kind, normalised, 0, 0);
    return buffer;
  }
}

/**
 * A colour that is visible on light and dark backgrounds; consecutive numbers have different colours.
 * @param {number} number
 * @returns {[number, number, number]}
 */
function colourOf(number) {
  const hue = (number * 137.508) % 360, light = 0.5 + 0.08 * (number % 3) - 0.08, reach = 0.65 * Math.min(light, 1 - light);
  const part = (/** @type {number} */ n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (light - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}
