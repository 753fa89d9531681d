// @ts-check
/** Endless scroll: the next page of a list is fetched when its link comes near, and its items are added. */

import { find } from "./dom.js";

const gallery = find("#gallery");
const watch = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) more(); }, { rootMargin: "600px" });
let busy = false;
arm();

function arm() {
  watch.disconnect();
  const link = document.querySelector("a[rel=next]");
  if (link) watch.observe(link);
}

async function more() {
  const link = document.querySelector("a[rel=next]");
  if (busy || !(link instanceof HTMLAnchorElement)) return;
  busy = true;
  link.textContent = "Loading…";
  try {
    const answer = await fetch(link.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    gallery.append(...(page.querySelector("#gallery")?.children ?? []));
    const next = page.querySelector("a[rel=next]");
    if (next instanceof HTMLAnchorElement) {
      link.setAttribute("href", next.getAttribute("href") ?? "");
      link.textContent = "Show more";
    } else link.closest("p")?.remove();
  } catch {
    link.textContent = "The server did not answer. Try again";
    busy = false;
    return;
  }
  busy = false;
  arm();
}
