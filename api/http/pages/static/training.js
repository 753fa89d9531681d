// @ts-check
/** The curves of a training. While it runs they are asked for again, new steps only. */

import { ask } from "./api.js";
import { lineChart } from "./chart.js";
import { find } from "./dom.js";

const POLL_MS = 2000;
/** @type {[string, string, string][]} */
const CURVES = [
  ["loss", "Loss", "loss"],
  ["active", "Share of active triplets", "share"],
  ["images_per_s", "Speed", "images / s"],
  ["learning_rate", "Learning rate", "rate"],
  ["context_accuracy", "Context accuracy (chance 0.125)", "share"],
  ["contrast_accuracy", "Contrast accuracy", "share"],
  ["effective_rank", "Effective rank of the embeddings", "dimensions"],
];

/** @typedef {Record<string, number | string>} Line */

const part = find("#curves");
const charts = find(".charts", part);
const said = find("[role=status]", part);
/** @type {Line[]} */
let lines = [];
refresh();

async function refresh() {
  const last = lines.length ? Number(lines[lines.length - 1].step) : 0;
  try {
    const found = await ask(`${part.dataset.source}?after=${last}`);
    if (found.lines.length) {
      lines = lines.concat(found.lines);
      show(found.model);
    }
  } catch (error) {
    if (!lines.length) said.textContent = error instanceof Error ? error.message : String(error);
  }
  if (part.dataset.live) setTimeout(refresh, POLL_MS);
}

/** @param {string} model */
function show(model) {
  const end = lines[lines.length - 1];
  said.textContent = `${model}, step ${Number(end.step).toLocaleString()}`;
  const alarms = lines.filter((line) => "alarm" in line).map((line) => `step ${line.step}: ${line.alarm}`);
  if (alarms.length) said.textContent += `. Alarm at ${alarms.join("; ")}`;
  const known = new Set(CURVES.map(([key]) => key));
  const health = [...new Set(lines.flatMap((line) => Object.keys(line)))].filter((key) => key.startsWith("health_") && !known.has(key));
  const wanted = CURVES.concat(health.map((key) => [key, `Held out: ${key.slice(7).replaceAll("_", " ")}`, "measure"]));
  charts.replaceChildren();
  for (const [key, title, unit] of wanted) {
    /** @type {[number, number][]} */
    const points = lines.filter((line) => typeof line[key] === "number").map((line) => [Number(line.step), Number(line[key])]);
    const counts = key.startsWith("health_") && new Set(points.map(([, y]) => y)).size === 1; // of what was measured
    if (points.length > 1 && !counts) charts.append(lineChart(title, "step", unit, points));
  }
}
