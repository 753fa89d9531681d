// @ts-check
/** The inspector: one link at a time with its quadruple; keys judge it, step on, step back and undo. */

import { ask, send } from "./api.js";
import { find, make, typing } from "./dom.js";
import { words } from "./chart.js";

/** @typedef {{a: string, b: string, a_prime: string, b_prime: string, parent: number, distance: number, by_model: number | null, by_other: number | null, state: string}} Link */

const root = find("#inspector"), form = /** @type {HTMLFormElement} */ (find("#choice"));
const by = /** @type {HTMLInputElement} */ (find("#by"));
by.value = localStorage.getItem("by") ?? "";
by.addEventListener("change", () => localStorage.setItem("by", by.value.trim()));
/** @type {Link[]} */
let links = [];
let at = 0;
/** @type {number[]} places that were judged, the last one last */
let judged = [];

form.addEventListener("submit", (event) => { event.preventDefault(); load(); });
root.querySelectorAll("button[data-key]").forEach((button) => button.addEventListener("click", () => {
  if (button instanceof HTMLElement) act(button.dataset.key ?? "");
}));
addEventListener("keydown", (event) => { if (!typing(event) && act(event.key)) event.preventDefault(); });
load();

async function load() {
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") asked.set(name, String(value));
  try {
    links = (await ask(`/graph/inspection?${asked}`)).items;
    at = 0;
    judged = [];
    say("");
  } catch (error) {
    links = [];
    say(error instanceof Error ? error.message : String(error));
  }
  show();
}

/**
 * Run the action of a key; returns whether the key has one.
 * @param {string} key
 */
function act(key) {
  if (!["j", "k", "y", "n", "u", "ArrowRight", "ArrowLeft"].includes(key)) return false;
  if (!links.length) return true;
  if (key === "j" || key === "ArrowRight") at = Math.min(at + 1, links.length - 1);
  else if (key === "k" || key === "ArrowLeft") at = Math.max(at - 1, 0);
  else if (key === "u") undo();
  else judge(at, key === "y" ? "accepted" : "rejected");
  show();
  return true;
}

/**
 * Save a judgement and step on; a judgement that is not saved is shown as it was before.
 * @param {number} place
 * @param {string} state
 */
async function judge(place, state) {
  const link = links[place];
  const before = link.state;
  link.state = state;
  judged.push(place);
  at = Math.min(place + 1, links.length - 1);
  await save(link, state, before);
}

async function undo() {
  const place = judged.pop() ?? at; // without a judgement in this page, that of the shown link is withdrawn
  const before = links[place].state;
  if (before === "open") return say("Nothing to undo.");
  links[place].state = "open";
  at = place;
  await save(links[place], "open", before);
}

/** @type {Promise<void>} the judgements that are being saved: one after the other, so that an undo is never overtaken */
let saving = Promise.resolve();

/**
 * @param {Link} link
 * @param {string} state
 * @param {string} before the state to restore if saving fails
 */
function save(link, state, before) {
  say("Saving…");
  saving = saving.then(async () => {
    try {
      await send("PATCH", `/links/${link.a}/${link.b}`, { state, by: by.value.trim() });
      say(state === "open" ? "Undone." : `Saved: ${state === "accepted" ? "alike" : "not alike"}.`);
    } catch (error) {
      link.state = before;
      say(`Not saved: ${error instanceof Error ? error.message : error}`);
    }
    show();
  });
  return saving;
}

function show() {
  const link = links[at];
  const four = find(".four", root), where = find(".where", root), facts = find(".distances", root);
  if (!link) {
    four.replaceChildren(make("p", { class: "quiet" }, "No link is left to judge in this order."));
    where.textContent = "";
    facts.replaceChildren();
    return;
  }
  four.replaceChildren(
    picture(link.a_prime, "A′", "intra"), between("track"), picture(link.a, "A", "inter"), between("alike?"),
    picture(link.b, "B", "inter"), between("track"), picture(link.b_prime, "B′", "intra"),
  );
  four.dataset.state = link.state;
  const said = { accepted: " · judged alike", rejected: " · judged not alike" }[link.state] ?? "";
  const last = at === links.length - 1 ? " · the last of these; Show reads more" : "";
  where.textContent = `${at + 1} of ${links.length} · cluster ${link.parent}${said}${last}`;
  const count = (/** @type {string} */ state) => links.filter((one) => one.state === state).length;
  find(".tally", root).textContent = `${count("accepted")} alike, ${count("rejected")} not alike`;
  facts.replaceChildren();
  const fields = new FormData(form);
  const distances = [["before training, by the features of linking", link.distance], [`after training, by ${fields.get("model")}`, link.by_model], [`by ${fields.get("other")}`, link.by_other]];
  for (const [name, value] of distances) {
    if (typeof value === "number") facts.append(make("dt", {}, `Distance ${name}`), make("dd", {}, words(value)));
  }
  if (!fields.get("model")) facts.append(make("dt", {}, "Distance after training"), make("dd", { class: "quiet" }, "no model with embeddings is chosen"));
  for (const next of links.slice(at + 1, at + 4)) for (const id of [next.a, next.b, next.a_prime, next.b_prime]) new Image().src = `/patches/${id}/image`;
}

/** @param {string} id @param {string} name @param {string} kind */
function picture(id, name, kind) {
  const image = make("img", { src: `/patches/${id}/image`, width: 192, height: 192, alt: `${name}, patch ${id}` });
  return make("figure", { class: kind }, make("a", { href: `/browse/patches/${id}` }, image), make("figcaption", {}, name));
}

/** @param {string} text */
function between(text) {
  return make("span", { class: "between small quiet", "aria-hidden": "true" }, text);
}

/** @param {string} text */
function say(text) {
  find(".said", root).textContent = text;
}
