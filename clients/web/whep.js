/** A WHEP client (draft-ietf-wish-whep): one stream down, for one attempt to listen. */

import { Problem } from "./api.js";
import { connected, exchange, preferCodecs, remove } from "./webrtc.js";

/**
 * `prepare`, then `open`, once; at the end `close`. Emits "state" (CustomEvent, as
 * RTCPeerConnection.connectionState) after it was open.
 */
export class Downlink extends EventTarget {
  #endpoint;
  #authorization;
  #peer = null;
  #resource = null;
  #ended = new AbortController();

  /**
   * @param {string} endpoint The server's WHEP URL with what to listen to.
   * @param {Record<string, string>} authorization Headers for every request.
   */
  constructor(endpoint, authorization) {
    super();
    this.#endpoint = new URL(endpoint, location.href);
    this.#authorization = authorization;
  }

  /**
   * Return the stream at once, before anything was asked: what a person's press may
   * play, it must play right now.
   * @returns {MediaStream}
   */
  prepare() {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const transceiver = peer.addTransceiver("audio", { direction: "recvonly" });
    preferCodecs(transceiver, ["audio/opus", "audio/red"]);
    this.#peer = peer;
    return new MediaStream([transceiver.receiver.track]);
  }

  /** @throws {Problem} Also "no-media" when the network lets no audio through. */
  async open() {
    const peer = this.#peer;
    const { answer, resource } = await exchange(peer, this.#endpoint, this.#authorization);
    this.#resource = resource;
    if (this.#ended.signal.aborted) {
      // Closed while the answer was under way: leave no session behind.
      this.close();
      throw new Problem("no-media");
    }
    await peer.setRemoteDescription({ type: "answer", sdp: answer }).catch((error) => {
      throw new Problem("unreadable-answer", { detail: String(error) });
    });
    await connected(peer, this.#ended.signal);
    const tell = (detail) => this.dispatchEvent(new CustomEvent("state", { detail }));
    peer.addEventListener("connectionstatechange", () => tell(peer.connectionState));
    // A server that says goodbye closes DTLS; not every browser calls that a state.
    const [{ transport }] = peer.getReceivers();
    transport?.addEventListener("statechange", () => {
      if (transport.state === "closed" || transport.state === "failed") tell(transport.state);
    });
  }

  /** The browser's counters. */
  stats() {
    return this.#peer.getStats();
  }

  /** End the session. Never fails. */
  async close(options) {
    const resource = this.#resource;
    this.#resource = null;
    this.#ended.abort();
    // DTLS says goodbye when the peer closes: after DELETE, or there is nothing to delete.
    if (resource) await remove(resource, this.#authorization, options);
    this.#peer?.close();
  }
}
