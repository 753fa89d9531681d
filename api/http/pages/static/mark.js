// @ts-check
/** The button that marks a patch's track as no object, or removes the mark. */

import { send } from "./api.js";
import { find } from "./dom.js";

const button = find("#mark");
button.addEventListener("click", async () => {
  const marked = !button.dataset.marked;
  try {
    await send("PATCH", `/patches/${button.dataset.patch}`, { no_object: marked });
    button.dataset.marked = marked ? "yes" : "";
    button.textContent = marked ? "It is an object after all" : "No object";
    find("#said").textContent = marked ? "Linking and training ignore its track." : "Linking and training use its track again.";
  } catch (error) {
    find("#said").textContent = error instanceof Error ? error.message : String(error);
  }
});
