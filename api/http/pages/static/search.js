// @ts-check
/** Search by a picture that is dropped, pasted or chosen. */

import { ask } from "./api.js";
import { find, make, patchCard } from "./dom.js";

/** @typedef {{patch_id: string, video_id: string, similarity: number}} Found */

const drop = document.querySelector("#drop");
const MOST = 1000; // patches of one answer
const SIDE = 512; // a larger picture is made smaller before it is sent: the network sees 96 pixels
/** @type {Blob | null} */
let picture = null;
/** @type {Found[]} */
let found = [];

if (drop instanceof HTMLElement) {
  const form = /** @type {HTMLFormElement} */ (find("#choice")), input = /** @type {HTMLInputElement} */ (find("#file"));
  find("#choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => { if (input.files?.[0]) take(input.files[0]); input.value = ""; });
  addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); const file = event.dataTransfer?.files[0]; if (file) take(file); });
  addEventListener("paste", (event) => { const file = event.clipboardData?.files[0]; if (file) take(file); });
  form.addEventListener("change", (event) => {
    const changed = event.target instanceof Element ? event.target.getAttribute("name") : "";
    if (changed === "least") show();
    else search();
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
}

/** @param {File} file */
async function take(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, SIDE / Math.min(bitmap.width, bitmap.height));
    const canvas = new OffscreenCanvas(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    picture = await canvas.convertToBlob({ type: "image/png" });
  } catch {
    picture = file; // a kind that this browser cannot show; the server may read it
  }
  const shown = find(".asked");
  shown.hidden = false;
  const image = find("img", shown);
  if (image instanceof HTMLImageElement) {
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(picture);
  }
  search();
}

async function search() {
  if (!picture) return;
  const fields = new FormData(/** @type {HTMLFormElement} */ (find("#choice")));
  const body = new FormData();
  body.append("file", picture, "picture.png");
  const begin = performance.now();
  // of one video's many, only the first few are wanted: ask for as many as one request may
  const count = Number(fields.get("each")) ? MOST : Number(fields.get("k"));
  find("#said").textContent = "Searching…";
  try {
    const answer = await ask(`/similar?k=${count}&model=${encodeURIComponent(String(fields.get("model")))}`, { method: "POST", body });
    found = answer.items;
    show();
    find("#said").append(` ${((performance.now() - begin) / 1000).toFixed(2)} s, by ${answer.model}.`);
  } catch (error) {
    found = [];
    find("#found").replaceChildren();
    find("#said").textContent = error instanceof Error ? error.message : String(error);
  }
}

function show() {
  const fields = new FormData(/** @type {HTMLFormElement} */ (find("#choice")));
  const least = Number(fields.get("least")), each = Number(fields.get("each")), most = Number(fields.get("k"));
  /** @type {Map<string, number>} */
  const seen = new Map();
  /** @type {Found[]} */
  const kept = [];
  found.forEach((one) => {
    const count = (seen.get(one.video_id) ?? 0) + 1;
    if (one.similarity < least || (each && count > each) || kept.length === most) return;
    kept.push(one);
    seen.set(one.video_id, count);
  });
  find("#found").replaceChildren(...kept.map((one) => patchCard(one.patch_id, `cosine ${one.similarity.toFixed(3)}`, "")));
  if (picture) find("#said").textContent = `${kept.length} patches, the nearest first, from ${seen.size} video${seen.size === 1 ? "" : "s"}.`;
  if (!kept.length && found.length) find("#found").append(make("li", { class: "caption" }, "None is so near: lower the least cosine."));
}
