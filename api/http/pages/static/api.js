// @ts-check
/** Requests to this server's API. A refusal is thrown as an `Error` whose message names the cause and the cure. */

/**
 * Ask and return the JSON answer; null if the answer has no body.
 * @param {string} address
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "application/json" }, ...options });
  } catch {
    throw new Error("The server does not answer. Is it running?");
  }
  if (!answer.ok) throw new Error(await refusal(answer));
  return answer.status === 204 ? null : answer.json();
}

/**
 * Send JSON.
 * @param {string} method
 * @param {string} address
 * @param {unknown} body
 * @returns {Promise<any>}
 */
export function send(method, address, body) {
  return ask(address, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

/**
 * The cause that a refused answer names (RFC 9457).
 * @param {Response} answer
 * @returns {Promise<string>}
 */
async function refusal(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}
