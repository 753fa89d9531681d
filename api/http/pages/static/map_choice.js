// @ts-check
/** The choice of the model whose map is shown. */

const choice = document.querySelector("#model");
if (choice instanceof HTMLSelectElement) choice.addEventListener("change", () => location.assign(`/browse/map/${encodeURIComponent(choice.value)}`));
