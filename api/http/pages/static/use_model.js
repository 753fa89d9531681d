// @ts-check
/** The button that makes a model the current one. */

import { send } from "./api.js";
import { find } from "./dom.js";

const button = document.querySelector("#use");
if (button instanceof HTMLButtonElement) {
  button.addEventListener("click", async () => {
    try {
      await send("PUT", "/models/current", { model: button.dataset.model });
      location.reload();
    } catch (error) {
      find("#said").textContent = error instanceof Error ? error.message : String(error);
    }
  });
}
