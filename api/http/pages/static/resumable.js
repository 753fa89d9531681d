// @ts-check
/** Resumable upload of one file by tus 1.0: bytes received before a break are not sent again, even after a reload. */

import { Blake2b } from "./blake2b.js";

const CHUNK = 8 * 2 ** 20;
const WAITS_MS = [1000, 2000, 4000, 8000, 16000];
const VERSION = { "Tus-Resumable": "1.0.0" };

/**
 * The id that a file's video has here: the hash of its bytes.
 * @param {File} file
 * @param {(share: number) => void} told
 */
export async function videoId(file, told) {
  const hash = new Blake2b();
  for (let at = 0; at < file.size; at += CHUNK / 8) {
    hash.update(new Uint8Array(await file.slice(at, at + CHUNK / 8).arrayBuffer()));
    told(Math.min(1, (at + CHUNK / 8) / file.size));
  }
  return hash.digest();
}

/**
 * Send a file; returns the address of its job. A broken connection is retried; a refusal is thrown.
 * @param {File} file
 * @param {(share: number) => void} told
 * @returns {Promise<string>}
 */
export async function sendResumable(file, told) {
  const key = `upload ${file.name} ${file.size} ${file.lastModified}`;
  let address = localStorage.getItem(key) ?? "";
  let offset = address ? await arrived(address) : -1;
  if (offset < 0) {
    address = await begun(file);
    offset = 0;
  }
  localStorage.setItem(key, address);
  for (let tries = 0; ;) {
    try {
      const answer = await sent(address, file.slice(offset, offset + CHUNK), offset, (bytes) => told((offset + bytes) / file.size));
      [offset, tries] = [answer.offset, 0];
      if (offset >= file.size) {
        localStorage.removeItem(key);
        return answer.job;
      }
    } catch (error) {
      if (!(error instanceof Broken) || tries === WAITS_MS.length) {
        if (!(error instanceof Broken)) localStorage.removeItem(key);
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, WAITS_MS[tries]));
      tries += 1;
      offset = Math.max(0, await arrived(address).catch(() => offset));
    }
  }
}

/** The connection broke or the server is unavailable: a later request may succeed. */
class Broken extends Error {}

/** @param {File} file */
async function begun(file) {
  const name = btoa(String.fromCharCode(...new TextEncoder().encode(file.name)));
  const answer = await fetch("/uploads", { method: "POST", headers: { ...VERSION, "Upload-Length": String(file.size), "Upload-Metadata": `filename ${name}` } });
  const address = answer.headers.get("Location");
  if (!answer.ok || !address) throw new Error((await answer.json().catch(() => ({}))).detail ?? `The server answered ${answer.status}.`);
  return address;
}

/**
 * The number of bytes received; -1 if the server does not know the upload.
 * @param {string} address
 */
async function arrived(address) {
  const answer = await fetch(address, { method: "HEAD", headers: VERSION });
  return answer.ok ? Number(answer.headers.get("Upload-Offset")) : -1;
}

/**
 * Send one chunk.
 * @param {string} address
 * @param {Blob} chunk
 * @param {number} offset
 * @param {(bytes: number) => void} told
 * @returns {Promise<{offset: number, job: string}>}
 */
function sent(address, chunk, offset, told) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells no progress of what it sends
    request.open("PATCH", address);
    for (const [name, value] of Object.entries({ ...VERSION, "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) })) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => told(event.loaded));
    request.addEventListener("error", () => reject(new Broken("The connection broke and did not come back. Drop the file again: it goes on where it stopped.")));
    request.addEventListener("load", () => {
      if (request.status === 204) resolve({ offset: Number(request.getResponseHeader("Upload-Offset")), job: request.getResponseHeader("Location") ?? "" });
      else {
        const text = detail(request.responseText) ?? `The server answered ${request.status}.`;
        reject(request.status === 409 || request.status >= 500 && request.status !== 507 ? new Broken(text) : new Error(text));
      }
    });
    request.send(chunk);
  });
}

/** @param {string} text */
function detail(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return undefined;
  }
}
