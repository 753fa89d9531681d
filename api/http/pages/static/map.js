// @ts-check
/** The map of a model: move, zoom, look at a patch, select by a lasso, and do something with the selection. */

import { send } from "./api.js";
import { find, patchCard } from "./dom.js";
import { gridOf, inside } from "./nearest.js";
import { readPoints, written } from "./npy.js";
import { PointPainter } from "./point_painter.js";

const SHOWN = 60; // patches of a selection that are shown at a time
const AT_ONCE = 10_000; // patches that one request may mark
const REACH = 12; // pixels between the pointer and a patch that it means

const root = find("#map"), canvas = /** @type {HTMLCanvasElement} */ (find("canvas", root)), hover = find(".hover", root);
const lasso = /** @type {SVGPolygonElement} */ (root.querySelector("polygon"));
let selecting = false, x = 0, y = 0, zoom = 1, asked = false;
/** @type {[number, number][]} corners of the lasso, in pixels */
let corners = [];
/** @type {Map<number, [number, number]>} pointers that are down */
const down = new Map();
/** @type {number[]} */
let chosen = [];
let shown = 0, travelled = 0;
/** @type {import("./npy.js").Points} */
let points;
/** @type {PointPainter} */
let painter;
/** @type {ReturnType<typeof gridOf>} */
let nearest;

open().catch((error) => { find(".count", root).textContent = error.message; });

async function open() {
  const answer = await fetch(`/models/${encodeURIComponent(root.dataset.model ?? "")}/map`);
  if (!answer.ok) throw new Error("The map could not be read. Compute it again.");
  points = readPoints(await answer.arrayBuffer());
  painter = new PointPainter(canvas, points);
  nearest = gridOf(points);
  const all = Number(root.dataset.patches);
  find(".count", root).textContent = `${points.count.toLocaleString()} patches${all > points.count ? ` of ${all.toLocaleString()}; compute again to add the rest` : ""}`;
  new ResizeObserver(paint).observe(canvas);
  canvas.addEventListener("pointerdown", press);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => { hover.hidden = true; });
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoomAt(event.offsetX, event.offsetY, Math.exp(-event.deltaY / 400)); }, { passive: false });
  canvas.addEventListener("keydown", keys);
  find("#move").addEventListener("click", () => mode(false));
  find("#lasso").addEventListener("click", () => mode(true));
  find("#in").addEventListener("click", () => zoomAt(canvas.clientWidth / 2, canvas.clientHeight / 2, 1.5));
  find("#out").addEventListener("click", () => zoomAt(canvas.clientWidth / 2, canvas.clientHeight / 2, 1 / 1.5));
  find("#all").addEventListener("click", fit);
  find("#clear").addEventListener("click", () => select([]));
  find("#more").addEventListener("click", showMore);
  find("#export").addEventListener("click", exported);
  find("#no-object").addEventListener("click", noObject);
  fit();
}

function fit() {
  [x, y] = [0, 0];
  zoom = Math.min(canvas.clientWidth, canvas.clientHeight) / 2.1;
  paint();
}

/** Draw at the next frame, once however often it is asked for. */
function paint() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    painter.paint(x, y, zoom);
    root.dataset.painted = String(Number(root.dataset.painted ?? 0) + 1);
  });
}

/**
 * The place on the map under a pixel of the canvas.
 * @param {number} px
 * @param {number} py
 * @returns {[number, number]}
 */
function placeOf(px, py) {
  return [x + (px - canvas.clientWidth / 2) / zoom, y - (py - canvas.clientHeight / 2) / zoom];
}

/** @param {number} px @param {number} py @param {number} factor */
function zoomAt(px, py, factor) {
  const [ax, ay] = placeOf(px, py);
  zoom = Math.min(Math.max(zoom * factor, canvas.clientHeight / 6), canvas.clientHeight * 400);
  const [bx, by] = placeOf(px, py);
  [x, y] = [x + ax - bx, y + ay - by];
  paint();
}

/** @param {PointerEvent} event */
function press(event) {
  canvas.setPointerCapture(event.pointerId);
  down.set(event.pointerId, [event.offsetX, event.offsetY]);
  travelled = 0;
  corners = (selecting || event.shiftKey) && down.size === 1 ? [[event.offsetX, event.offsetY]] : [];
}

/** @param {PointerEvent} event */
function move(event) {
  const before = down.get(event.pointerId);
  if (!before) return look(event);
  const now = /** @type {[number, number]} */ ([event.offsetX, event.offsetY]);
  travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
  if (corners.length) {
    const last = corners[corners.length - 1];
    if (Math.hypot(now[0] - last[0], now[1] - last[1]) > 3) corners.push(now);
    lasso.setAttribute("points", corners.map((one) => one.join(",")).join(" "));
  } else if (down.size === 2) {
    const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const grown = Math.hypot(now[0] - other[0], now[1] - other[1]) / (Math.hypot(before[0] - other[0], before[1] - other[1]) || 1);
    zoomAt((now[0] + other[0]) / 2, (now[1] + other[1]) / 2, grown);
  } else {
    [x, y] = [x - (now[0] - before[0]) / zoom, y + (now[1] - before[1]) / zoom];
    paint();
  }
  down.set(event.pointerId, now);
}

/** @param {PointerEvent} event */
function release(event) {
  down.delete(event.pointerId);
  if (corners.length > 2) select(inside(points, corners.map(([px, py]) => placeOf(px, py))));
  else if (travelled < 4 && event.type === "pointerup") {
    const found = nearest(...placeOf(event.offsetX, event.offsetY), REACH / zoom);
    if (found >= 0) globalThis.open(`/browse/patches/${written(points.ids[found])}`, "_blank", "noopener");
  }
  corners = [];
  lasso.setAttribute("points", "");
}

/** @param {PointerEvent} event */
function look(event) {
  const found = nearest(...placeOf(event.offsetX, event.offsetY), REACH / zoom);
  hover.hidden = found < 0;
  if (found < 0) return;
  const id = written(points.ids[found]), image = /** @type {HTMLImageElement} */ (find("img", hover));
  if (!image.src.includes(id)) image.src = `/patches/${id}/image`;
  find("span", hover).textContent = id;
  hover.style.left = `${Math.min(event.offsetX + 14, canvas.clientWidth - 130)}px`;
  hover.style.top = `${Math.min(event.offsetY + 14, canvas.clientHeight - 150)}px`;
}

/** @param {KeyboardEvent} event */
function keys(event) {
  const step = 60 / zoom;
  /** @type {Record<string, () => void>} */
  const does = {
    ArrowLeft: () => { x -= step; }, ArrowRight: () => { x += step; }, ArrowUp: () => { y += step; }, ArrowDown: () => { y -= step; },
    "+": () => find("#in").click(), "=": () => find("#in").click(), "-": () => find("#out").click(), 0: fit,
  };
  if (!does[event.key] || event.ctrlKey || event.metaKey) return;
  does[event.key]();
  event.preventDefault();
  paint();
}

/** @param {boolean} on */
function mode(on) {
  selecting = on;
  find("#move").setAttribute("aria-pressed", String(!on));
  find("#lasso").setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("selecting", on);
}

/** @param {number[]} places */
function select(places) {
  chosen = places;
  painter.mark(places);
  paint();
  find("#selection").hidden = !places.length;
  find("#chosen").textContent = `${places.length.toLocaleString()} patches`;
  find("#picked").replaceChildren();
  shown = 0;
  showMore();
}

function showMore() {
  find("#picked").append(...chosen.slice(shown, shown + SHOWN).map((i) => patchCard(written(points.ids[i]), "", written(points.ids[i]))));
  shown += SHOWN;
  find("#rest").hidden = shown >= chosen.length;
}

function exported() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([chosen.map((i) => `${written(points.ids[i])}\n`).join("")], { type: "text/plain" }));
  link.download = "patches.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function noObject() {
  const said = find("#said");
  if (!confirm(`Mark the tracks of ${chosen.length.toLocaleString()} patches as no object? Linking and training ignore them until the mark is removed.`)) return;
  try {
    let marked = 0;
    for (let from = 0; from < chosen.length; from += AT_ONCE) {
      const ids = chosen.slice(from, from + AT_ONCE).map((i) => written(points.ids[i]));
      marked += (await send("PATCH", "/patches", { ids, no_object: true })).ids.length;
    }
    said.textContent = `${marked.toLocaleString()} patches are marked as no object.`;
    select([]);
  } catch (error) {
    said.textContent = error instanceof Error ? error.message : String(error);
  }
}
