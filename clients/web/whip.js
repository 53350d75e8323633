/** A WHIP client (RFC 9725): one microphone up to the server, kept warm. */

import { Problem } from "./api.js";
import { withOpusParameters } from "./sdp.js";
import { connected, exchange, preferCodecs, remove } from "./webrtc.js";

const VOICE_BPS = 64_000;
const MUSIC_BPS = 128_000;

/**
 * One way up for audio. Emits "lost" when an open session dies by itself.
 *
 * The session stays open between broadcasts until `close`; what is sent is silence until
 * `live` is set, so that an open session tells nobody anything.
 */
export class Uplink extends EventTarget {
  #endpoint;
  #authorization;
  #peer = null;
  #session = null;
  #opening = null;
  #track = null;
  #ended = new AbortController();

  /**
   * @param {string|URL} endpoint The server's WHIP URL.
   * @param {Record<string, string>} authorization Headers for every request.
   */
  constructor(endpoint, authorization) {
    super();
    this.#endpoint = new URL(endpoint, location.href);
    this.#authorization = authorization;
  }

  /** Whether what the microphone hears is sent. */
  get live() {
    return this.#track?.enabled ?? false;
  }

  set live(on) {
    if (this.#track) this.#track.enabled = on;
  }

  /**
   * Open a session unless one is open.
   *
   * @param {MediaStreamTrack} track The microphone. A copy is sent, the track stays yours.
   * @param {{music?: boolean}} [options] `music` asks for a higher rate.
   * @returns {Promise<string>} The session's id.
   * @throws {Problem} Also "no-media" when the network lets no audio through.
   */
  open(track, options) {
    if (!this.#opening) {
      const attempt = this.#open(track, options);
      this.#opening = attempt;
      attempt.catch(() => {
        if (this.#opening === attempt) this.close();
      });
    }
    return this.#opening;
  }

  /** End the session (RFC 9725, section 4.2: DELETE). Never fails: the peer is gone anyway. */
  close(options) {
    const session = this.#session;
    this.#ended.abort();
    this.#peer?.close();
    this.#track?.stop();
    this.#peer = this.#session = this.#opening = this.#track = null;
    if (session) remove(session, this.#authorization, options);
  }

  async #open(track, { music = false } = {}) {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const { signal } = (this.#ended = new AbortController());
    this.#peer = peer;
    this.#track = track.clone();
    this.#track.enabled = false;
    const bitrate_bps = music ? MUSIC_BPS : VOICE_BPS;
    const transceiver = peer.addTransceiver(this.#track, {
      direction: "sendonly",
      sendEncodings: [{ maxBitrate: bitrate_bps }],
    });
    // Nothing but Opus, so that no server can choose a telephone codec.
    preferCodecs(transceiver, ["audio/opus"]);
    const answer = await this.#exchange(peer);
    await peer.setRemoteDescription({
      type: "answer",
      sdp: withOpusParameters(answer, {
        maxaveragebitrate: bitrate_bps,
        useinbandfec: 1,
        stereo: 0,
      }),
    });
    await connected(peer, signal);
    peer.addEventListener("connectionstatechange", () => this.#watch(peer));
    return this.#session.pathname.split("/").at(-1);
  }

  async #exchange(peer) {
    const { answer, resource } = await exchange(peer, this.#endpoint, this.#authorization);
    if (this.#peer !== peer) {
      // Closed while the answer was under way: leave no session behind.
      remove(resource, this.#authorization);
      throw new Problem("no-media");
    }
    this.#session = resource;
    return answer;
  }

  #watch(peer) {
    if (peer !== this.#peer || !["failed", "closed"].includes(peer.connectionState)) return;
    this.close();
    this.dispatchEvent(new Event("lost"));
  }
}
