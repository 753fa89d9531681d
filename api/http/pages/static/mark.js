// @ts-check
/** The button that marks a patch's track as no object, or takes the mark back. */

import { send } from "./api.js";
import { find } from "./dom.js";

const button = find("#mark");
button.addEventListener("click", async () => {
  const marked = !button.dataset.marked;
  try {
    await send("PATCH", `/patches/${button.dataset.patch}`, { no_object: marked });
    button.dataset.marked = marked ? "yes" : "";
    button.textContent = marked ? "It is an object after all" : "No object";
    find("#said").textContent = marked ? "Its track has left linking and training." : "Its track takes part again.";
  } catch (error) {
    find("#said").textContent = error instanceof Error ? error.message : String(error);
  }
});
