/** What WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) have in common: one offer up by
 * POST, its answer down, and a resource that ends with DELETE. */

import { Problem, request } from "./api.js";
import { opusPayloadTypes } from "./sdp.js";

const GATHERING_MS = 2000;
export const CONNECTING_MS = 8000;
const DELETING_MS = 5000;

/**
 * Gather candidates, send the whole offer of *peer* at once and return the answer.
 *
 * @param {Record<string, string>} headers Who asks, if anybody.
 * @returns {Promise<{answer: string, resource: URL}>}
 * @throws {Problem} Also "unreadable-answer".
 */
export async function exchange(peer, endpoint, headers) {
  await peer.setLocalDescription(await peer.createOffer());
  await gathered(peer);
  const response = await request(endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", ...headers },
    body: peer.localDescription.sdp,
    timeout_ms: CONNECTING_MS,
  });
  const where = response.headers.get("Location");
  const answer = await response.text();
  if (where === null || !opusPayloadTypes(answer).length) {
    throw new Problem("unreadable-answer", { status: response.status });
  }
  return { answer, resource: new URL(where, response.url) };
}

/** End a session. Never fails: what cannot be told, the server notices by itself. */
export async function remove(resource, headers, { keepalive = false } = {}) {
  const timeout_ms = keepalive ? 0 : DELETING_MS;
  const options = { method: "DELETE", headers, keepalive, timeout_ms };
  await request(resource, options).catch(() => {});
}

/** Leave only the codecs named in *names*, as far as the browser can be told. */
export function preferCodecs(transceiver, names) {
  const { codecs } = RTCRtpReceiver.getCapabilities("audio");
  const kept = codecs.filter(({ mimeType }) => names.includes(mimeType.toLowerCase()));
  if (kept.length) transceiver.setCodecPreferences?.(kept);
}

/** Candidates are sent in the offer; whoever is slower than this is left out. */
function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHERING_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState === "complete") resolve();
    });
  });
}

/**
 * Wait for ICE and DTLS; *ended* gives up, since a peer we close emits nothing.
 * @param {AbortSignal} ended
 */
export function connected(peer, ended) {
  return new Promise((resolve, reject) => {
    const refuse = () => reject(new Problem("no-media", { detail: peer.connectionState }));
    const look = () => {
      if (peer.connectionState === "connected") resolve();
      if (["failed", "closed"].includes(peer.connectionState)) refuse();
    };
    setTimeout(refuse, CONNECTING_MS);
    ended.addEventListener("abort", refuse);
    peer.addEventListener("connectionstatechange", look);
    look();
  });
}
