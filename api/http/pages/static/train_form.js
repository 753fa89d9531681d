// @ts-check
/** The form that starts a training. */

import { send } from "./api.js";
import { find } from "./dom.js";

const form = find("#train");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!(form instanceof HTMLFormElement)) return;
  const fields = new FormData(form);
  try {
    const job = await send("POST", "/trainings", { recipe: fields.get("recipe"), preset: fields.get("preset"), seed: Number(fields.get("seed")) });
    location.assign(`/browse/jobs/${job.id}`);
  } catch (error) {
    find("#said").textContent = error instanceof Error ? error.message : String(error);
  }
});
