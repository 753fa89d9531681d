// @ts-check
/** The pictures between A and A′, and the whole frame of a patch, cut from the video's own file. */

import { draw, make } from "./dom.js";

/** @typedef {{t: number, box: [number, number, number, number]}} Step */

const SIDE = 96;
const film = document.querySelector("#film"), framed = document.querySelector("#framed");

if (framed instanceof SVGSVGElement && framed.dataset.file) wholeFrame(framed, framed.dataset.file, Number(framed.dataset.time));
if (film instanceof HTMLElement && film.dataset.file) {
  /** @type {Step[]} */
  const path = JSON.parse(film.dataset.path ?? "[]");
  if (path.length > 2) between(film, film.dataset.file, path.slice(1, -1));
}

/**
 * A video that can be seeked, or null if this browser cannot show it.
 * @param {string} file
 * @returns {Promise<HTMLVideoElement | null>}
 */
function opened(file) {
  return new Promise((resolve) => {
    const video = document.createElement("video");
    video.muted = true;
    video.preload = "auto";
    video.addEventListener("loadeddata", () => resolve(video.videoWidth ? video : null), { once: true });
    video.addEventListener("error", () => resolve(null), { once: true });
    video.src = file;
  });
}

/**
 * @param {HTMLVideoElement} video
 * @param {number} time
 * @returns {Promise<unknown>}
 */
function sought(video, time) {
  return new Promise((resolve) => {
    video.addEventListener("seeked", resolve, { once: true });
    video.currentTime = time + 0.001;
  });
}

/** @param {HTMLElement} strip @param {string} file @param {Step[]} steps */
async function between(strip, file, steps) {
  const video = await opened(file);
  if (!video) return;
  const end = strip.querySelector(".between");
  for (const { t, box: [x, y, w, h] } of steps) {
    await sought(video, t);
    const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { width: SIDE, height: SIDE, class: "patch small-patch", role: "img", "aria-label": `The object at ${t.toFixed(2)} s` }));
    canvas.getContext("2d")?.drawImage(video, x, y, w, h, 0, 0, SIDE, SIDE);
    end?.before(canvas);
  }
  end?.remove();
}

/** @param {SVGSVGElement} svg @param {string} file @param {number} time */
async function wholeFrame(svg, file, time) {
  const video = await opened(file);
  if (!video) return;
  await sought(video, time);
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    if (!blob) return;
    const { width, height } = svg.viewBox.baseVal;
    svg.querySelector("image")?.replaceWith(draw("image", { href: URL.createObjectURL(blob), width, height, preserveAspectRatio: "none" }));
  }, "image/jpeg", 0.9);
}
