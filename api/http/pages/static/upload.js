// @ts-check
/** Uploads of the videos that are dropped or chosen: two at a time, each with its bar, its job and its reason. */

import { ask } from "./api.js";
import { find, make } from "./dom.js";
import { sendResumable, videoId } from "./resumable.js";

const AT_ONCE = 2;
const MOST_HASHED = 256 * 2 ** 20; // bytes; a larger file is sent sooner than it is hashed here
const ENDED = ["done", "failed", "cancelled"];

/** @typedef {{file: File, row: HTMLElement, bar: HTMLProgressElement, told: HTMLElement, job?: string, outcome?: "added" | "there" | "failed"}} Entry */

const drop = find("#drop"), input = find("#files"), list = find("#list");
const limit = Number(drop.dataset.limit);
/** @type {Entry[]} */
const entries = [];
/** @type {Entry[]} */
const waiting = [];
let running = 0;

find("#choose").addEventListener("click", () => input.click());
input.addEventListener("change", () => {
  if (input instanceof HTMLInputElement && input.files) take([...input.files]);
  if (input instanceof HTMLInputElement) input.value = "";
});
// anywhere on the page: a browser would otherwise leave the page and play the file
addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer) take([...event.dataTransfer.files]);
});
addEventListener("beforeunload", (event) => { if (running) event.preventDefault(); });

/** @param {File[]} files */
function take(files) {
  find("#list-part").hidden = false;
  for (const file of files) {
    const bar = /** @type {HTMLProgressElement} */ (make("progress", { max: 1, value: 0, "aria-label": `Progress of ${file.name}` }));
    const told = make("p", { class: "small quiet told" }, "waiting");
    const row = make("li", {}, make("div", { class: "line" }, make("b", { class: "name" }, file.name), make("span", { class: "small quiet" }, size(file.size))), bar, told);
    list.append(row);
    const entry = { file, row, bar, told };
    entries.push(entry);
    waiting.push(entry);
  }
  next();
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    const entry = /** @type {Entry} */ (waiting.shift());
    running += 1;
    upload(entry).catch((error) => end(entry, "failed", error.message)).finally(() => { running -= 1; next(); });
  }
  sum();
}

/** @param {Entry} entry */
async function upload(entry) {
  if (entry.file.size > limit) throw new Error(`The file is larger than ${size(limit)}. Put it on the server and run transitive ingest.`);
  if (!entry.file.size) throw new Error("The file is empty.");
  if (entry.file.size <= MOST_HASHED) {
    entry.told.textContent = "looking whether it is here";
    const id = await videoId(entry.file, (share) => { entry.bar.value = share / 4; });
    const here = await fetch(`/videos/${id}`);
    if (here.ok && (await here.json()).status === "ready") return end(entry, "there", "", id);
  }
  const address = await sendResumable(entry.file, (share) => {
    entry.bar.value = (1 + share) / 4;
    entry.told.textContent = `sending, ${Math.round(100 * share)} %`;
  });
  entry.job = address.split("/").pop() ?? "";
  follow(entry);
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * Ask for the jobs of the sent files until each has ended.
 * @param {Entry} entry
 */
function follow(entry) {
  entry.told.textContent = "sent; waiting for a worker";
  entry.bar.value = 0.5;
  timer ??= setTimeout(look, 500);
}

async function look() {
  const open = entries.filter((entry) => entry.job && !entry.outcome);
  for (const entry of open) {
    try {
      const job = await ask(`/jobs/${entry.job}`);
      if (job.state === "done") await found(entry, job.result);
      else if (ENDED.includes(job.state)) end(entry, "failed", job.reason);
      else {
        entry.told.textContent = job.total ? `${job.stage}, ${job.done.toLocaleString()} of ${job.total.toLocaleString()} ${job.unit}` : job.stage || "waiting for a worker";
        if (job.total) entry.bar.value = 0.5 + job.done / job.total / 2;
      }
    } catch (error) {
      entry.told.textContent = error instanceof Error ? error.message : String(error);
    }
  }
  sum();
  timer = entries.some((entry) => entry.job && !entry.outcome) ? setTimeout(look, 1000) : undefined;
}

/**
 * Show what was found in a video.
 * @param {Entry} entry
 * @param {string} video
 */
async function found(entry, video) {
  const { report } = await ask(`/videos/${video}`);
  end(entry, "added", report.tracks ? `${report.tracks.toLocaleString()} tracks, ${(2 * report.tracks).toLocaleString()} patches` : "nothing moved for long enough: no patches", video);
}

/**
 * End an entry with its outcome.
 * @param {Entry} entry
 * @param {"added" | "there" | "failed"} outcome
 * @param {string} text
 * @param {string} [video]
 */
function end(entry, outcome, text, video = "") {
  entry.outcome = outcome;
  entry.bar.hidden = true;
  entry.row.dataset.outcome = outcome;
  const say = { added: "done: ", there: "already here", failed: "" }[outcome];
  entry.told.className = `small told ${outcome === "failed" ? "bad" : "good"}`;
  entry.told.textContent = say + text;
  if (video) find(".name", entry.row).replaceChildren(make("a", { href: `/browse/videos/${video}` }, entry.file.name));
  sum();
}

function sum() {
  const count = (/** @type {string} */ outcome) => entries.filter((entry) => entry.outcome === outcome).length;
  const open = entries.filter((entry) => !entry.outcome).length;
  const parts = [`${count("added")} added`];
  if (count("there")) parts.push(`${count("there")} already here`);
  if (count("failed")) parts.push(`${count("failed")} failed`);
  if (open) parts.push(`${open} to go`);
  find("#sum").textContent = parts.join(", ");
}

/**
 * A number of bytes for people.
 * @param {number} bytes
 */
function size(bytes) {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
