// @ts-check
/** Live rows of jobs, their Cancel buttons, and the buttons that start a job. */

import { ask, send } from "./api.js";
import { find, make } from "./dom.js";

/** @typedef {{id: string, kind: string, state: string, target: string, stage: string, done: number, total: number, unit: string, reason: string, result: string}} Job */

const ENDED = ["done", "failed", "cancelled"];
const list = document.querySelector("#jobs");

if (list instanceof HTMLElement) {
  list.querySelectorAll("li[data-job]").forEach((row) => {
    if (row instanceof HTMLElement) arm(row, row.dataset.job ?? "", row.dataset.state ?? "");
  });
  follow(list);
}
document.querySelectorAll("button[data-post]").forEach((button) => {
  if (button instanceof HTMLButtonElement) button.addEventListener("click", () => start(button));
});

/**
 * Show each change of the recent jobs. One connection serves the page however many jobs it shows.
 * @param {HTMLElement} rows
 */
function follow(rows) {
  const only = rows.dataset.only;
  const events = new EventSource(only ? `/jobs/${only}/events` : "/jobs/events");
  events.addEventListener("job", (event) => {
    /** @type {Job} */
    const job = JSON.parse(event.data);
    const row = rows.querySelector(`li[data-job="${CSS.escape(job.id)}"]`) ?? added(rows, job);
    if (row instanceof HTMLElement) show(row, job);
    if (only && ENDED.includes(job.state)) {
      events.close();
      if (row instanceof HTMLElement && row.dataset.was && !ENDED.includes(row.dataset.was)) location.reload();
    }
  });
}

/**
 * Add the row of a job that is newer than the page.
 * @param {HTMLElement} rows
 * @param {Job} job
 */
function added(rows, job) {
  const blank = document.querySelector("#blank-job");
  if (!(blank instanceof HTMLTemplateElement) || !("newest" in rows.dataset) || job.kind === "segment") return null;
  if (ENDED.includes(job.state)) return null; // an old one, of a later page
  rows.prepend(blank.content.cloneNode(true));
  const row = find("li", rows);
  const link = find("a", row);
  link.setAttribute("href", `/browse/jobs/${job.id}`);
  link.replaceChildren(make("b", {}, job.kind[0].toUpperCase() + job.kind.slice(1)));
  link.after(` ${job.target} `);
  row.dataset.job = job.id;
  return row;
}

/**
 * Bring a row up to date.
 * @param {HTMLElement} row
 * @param {Job} job
 */
function show(row, job) {
  row.dataset.was ??= row.dataset.state;
  row.dataset.state = job.state;
  const label = find(".label", row);
  label.textContent = job.state;
  label.className = `label ${job.state}`;
  const bar = find("progress", row);
  if (bar instanceof HTMLProgressElement) {
    bar.hidden = job.state !== "running" && job.state !== "cancelling";
    bar.max = job.total || 1;
    if (job.total) bar.value = job.done;
    else bar.removeAttribute("value");
  }
  if (!ENDED.includes(job.state)) {
    const count = job.total ? `${job.done.toLocaleString()} of ${job.total.toLocaleString()} ${job.unit}` : "";
    find(".told", row).textContent = [job.stage || (job.state === "queued" ? "waiting for a worker" : ""), count].filter(Boolean).join(" · ");
  } else if (!ENDED.includes(row.dataset.was ?? "")) {
    find(".told", row).textContent = `${job.stage} · ended just now`;
  }
  const reason = find(".reason", row);
  reason.textContent = job.reason;
  reason.hidden = !job.reason;
  arm(row, job.id, job.state);
}

/**
 * Show the Cancel button of a job that can be cancelled.
 * @param {HTMLElement} row
 * @param {string} id
 * @param {string} state
 */
function arm(row, id, state) {
  const button = find(".cancel", row);
  button.hidden = ENDED.includes(state) || state === "cancelling";
  button.onclick = async () => {
    try {
      show(row, await ask(`/jobs/${id}`, { method: "DELETE" }));
    } catch (error) {
      find(".reason", row).textContent = String(error instanceof Error ? error.message : error);
      find(".reason", row).hidden = false;
    }
  };
}

/**
 * Start the job that a button names, and open its page.
 * @param {HTMLButtonElement} button
 */
async function start(button) {
  button.disabled = true;
  try {
    const job = await send("POST", button.dataset.post ?? "", JSON.parse(button.dataset.body ?? "{}"));
    location.assign(`/browse/jobs/${job.id}`);
  } catch (error) {
    find("#said").textContent = error instanceof Error ? error.message : String(error);
    button.disabled = false;
  }
}
