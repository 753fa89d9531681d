// @ts-check
/** The player of one video: boxes and paths of its tracks over the picture, and the time line below it. */

import { ask } from "./api.js";
import { draw, find, typing } from "./dom.js";
import { boxAt, colour, middle } from "./paths.js";

/** @typedef {import("./paths.js").TrackPath} TrackPath */
/** @typedef {{start_s: number, end_s: number, reason: string, refused: string[], paths: TrackPath[]}} Window */
/** @typedef {{frame: number, time_s: number, image: string}} Frame */

const root = find("#player"), canvas = find("canvas", root), said = find(".said", root), shown = find(".window", root);
const film = root.querySelector("video");
const size = { width: Number(root.dataset.width), height: Number(root.dataset.height) };
const length = Number(root.dataset.duration);
/** @type {Window[]} */
let windows = [];
/** @type {TrackPath[]} */
let paths = [];
/** @type {Frame[]} */
let frames = [];
let still = film === null; // kept frames in place of the video
let at = 0;
/** @type {SVGElement | undefined} */
let head;

start();

async function start() {
  film?.addEventListener("error", () => fall("This browser cannot play this kind of file; the frames that mining kept are shown."));
  film?.addEventListener("timeupdate", () => seen(film.currentTime));
  film?.addEventListener("loadedmetadata", () => { if (!film.videoWidth) fall("This browser cannot show this video's pictures; the frames that mining kept are shown."); });
  if (film?.error) fall("This browser cannot play this kind of file; the frames that mining kept are shown.");
  new ResizeObserver(paint).observe(canvas);
  document.querySelectorAll("#moments a.seek").forEach((link) => link.addEventListener("click", (event) => {
    const row = link.closest("[data-time]");
    if (!(row instanceof HTMLElement)) return;
    event.preventDefault();
    seek(Number(row.dataset.time));
    root.scrollIntoView({ block: "nearest" });
  }));
  addEventListener("keydown", keys);
  try {
    const found = await ask(`/videos/${root.dataset.video}/timeline`);
    windows = found.windows;
    paths = windows.flatMap((window) => window.paths);
    line();
  } catch {
    said.textContent += " This video was ingested by a version that kept no time line.";
  }
  if (still) await fall(said.textContent ?? "");
  const asked = /^#t=([\d.]+)$/.exec(location.hash);
  if (asked) seek(Number(asked[1]));
  if (film) requestAnimationFrame(tick);
}

/** Follow a playing video at the screen's rate; `timeupdate` alone fires four times a second. */
function tick() {
  if (film && !still && !film.paused) seen(film.currentTime);
  requestAnimationFrame(tick);
}

/**
 * Show the kept frames instead of the video.
 * @param {string} why
 */
async function fall(why) {
  still = true;
  said.textContent = why;
  if (!frames.length) frames = await ask(`/videos/${root.dataset.video}/frames`).catch(() => []);
  const picture = root.querySelector(".stage img") ?? document.createElement("img");
  picture.setAttribute("alt", "The nearest kept frame");
  film?.replaceWith(picture);
  seen(at);
}

/** @param {number} time */
function seek(time) {
  if (film && !still) film.currentTime = time + 0.001;
  seen(time);
}

/** @param {number} time */
function seen(time) {
  at = Math.min(Math.max(0, time), length);
  if (still && frames.length) {
    const near = frames.reduce((best, one) => (Math.abs(one.time_s - at) < Math.abs(best.time_s - at) ? one : best));
    const picture = root.querySelector(".stage img");
    if (picture instanceof HTMLImageElement && !picture.src.endsWith(near.image)) picture.src = near.image;
  }
  if (head) {
    head.setAttribute("x1", String((1000 * at) / length));
    head.setAttribute("x2", String((1000 * at) / length));
  }
  const here = windows.findLast((window) => window.start_s <= at + 0.01 && at < window.end_s);
  if (here) shown.textContent = inWords(here);
  paint();
}

/**
 * The outcome of a window, with the reasons of what was refused.
 * @param {Window} window
 */
function inWords(window) {
  const count = window.paths.length;
  const outcome = window.reason ? `refused: ${window.reason}` : count ? `${count} track${count > 1 ? "s" : ""} kept` : "no track kept";
  const boxes = window.refused.map((reason) => `a box refused: ${reason}`);
  return [`${window.start_s.toFixed(1)} – ${window.end_s.toFixed(1)} s`, outcome, ...boxes].join("; ");
}

/** Draw the boxes of the tracks that run now, and the path of each so far. */
function paint() {
  if (!(canvas instanceof HTMLCanvasElement)) return;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const scale = devicePixelRatio || 1, wide = canvas.clientWidth, tall = canvas.clientHeight;
  canvas.width = Math.round(wide * scale);
  canvas.height = Math.round(tall * scale);
  // the picture is fitted into the stage: bars are above and below it, or at its sides
  const fit = Math.min(canvas.width / size.width, canvas.height / size.height);
  pen.setTransform(fit, 0, 0, fit, (canvas.width - fit * size.width) / 2, (canvas.height - fit * size.height) / 2);
  paths.forEach((path, number) => {
    const box = boxAt(path, at);
    if (!box) return;
    pen.lineWidth = (2.5 * scale) / fit;
    pen.strokeStyle = colour(number);
    pen.strokeRect(box[0], box[1], box[2], box[3]);
    pen.beginPath();
    path.times_s.forEach((time, i) => { if (time <= at) pen.lineTo(...middle(path.boxes[i])); });
    pen.lineTo(...middle(box));
    pen.stroke();
  });
}

/** Draw the time line: two rows, because a window begins in the middle of the one before. */
function line() {
  const holder = find(".timeline", root);
  const svg = draw("svg", { viewBox: "0 0 1000 56", preserveAspectRatio: "none", role: "img", "aria-label": "Windows of the video; the sheet below lists them" });
  windows.forEach((window, number) => {
    const x = (1000 * window.start_s) / length, width = Math.max(1, (1000 * (window.end_s - window.start_s)) / length - 1);
    const text = inWords(window);
    const bar = draw("rect", { x, width, y: number % 2 ? 16 : 2, height: 12, class: window.reason || !window.paths.length ? "refused" : "used" });
    bar.append(draw("title", {}, text));
    bar.addEventListener("pointerenter", () => { shown.textContent = text; });
    bar.addEventListener("click", () => seek(window.start_s));
    svg.append(bar);
  });
  paths.forEach((path, number) => {
    const x = (1000 * path.times_s[0]) / length, end = (1000 * path.times_s[path.times_s.length - 1]) / length;
    svg.append(draw("rect", { x, width: Math.max(2, end - x), y: 34 + 5 * (number % 4), height: 4, fill: colour(number) }));
  });
  head = draw("line", { x1: 0, x2: 0, y1: 0, y2: 56, class: "now" });
  svg.append(head);
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    if (!(event.target instanceof SVGRectElement)) seek(((event.clientX - box.left) / box.width) * length);
  });
  holder.append(svg);
  holder.hidden = false;
  shown.hidden = false;
  find(".legend", root).hidden = false;
  seen(at);
}

/** @param {KeyboardEvent} event */
function keys(event) {
  if (typing(event) || event.target instanceof HTMLVideoElement || event.target instanceof HTMLButtonElement) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") seek(at + (event.key === "ArrowLeft" ? -1 : 1));
  else if (event.key === " " && film && !still) film.paused ? film.play() : film.pause();
  else return;
  event.preventDefault();
}
