/** A WHIP client (RFC 9725): one microphone up to the server, kept warm. */

import { Problem, request } from "./api.js";
import { opusPayloadTypes, withOpusParameters } from "./sdp.js";

const GATHERING_MS = 2000;
const CONNECTING_MS = 8000;
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
  close({ keepalive = false } = {}) {
    const session = this.#session;
    this.#ended.abort();
    this.#peer?.close();
    this.#track?.stop();
    this.#peer = this.#session = this.#opening = this.#track = null;
    if (!session) return;
    const options = { method: "DELETE", headers: this.#authorization, keepalive };
    request(session, { ...options, timeout_ms: keepalive ? 0 : 5000 }).catch(() => {});
  }

  async #open(track, { music = false } = {}) {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const { signal } = (this.#ended = new AbortController());
    this.#peer = peer;
    this.#track = track.clone();
    this.#track.enabled = false;
    const bitrate_bps = music ? MUSIC_BPS : VOICE_BPS;
    preferOpus(
      peer.addTransceiver(this.#track, {
        direction: "sendonly",
        sendEncodings: [{ maxBitrate: bitrate_bps }],
      }),
    );
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
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

  /** Send the whole offer at once and return the answer (RFC 9725, section 4.2). */
  async #exchange(peer) {
    const response = await request(this.#endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...this.#authorization },
      body: peer.localDescription.sdp,
      timeout_ms: CONNECTING_MS,
    });
    const where = response.headers.get("Location");
    const answer = await response.text();
    if (where === null || !opusPayloadTypes(answer).length) {
      throw new Problem("unreadable-answer", { status: response.status });
    }
    this.#session = new URL(where, response.url);
    if (this.#peer !== peer) {
      // Closed while the answer was under way: leave no session behind.
      request(this.#session, { method: "DELETE", headers: this.#authorization }).catch(
        () => {},
      );
      this.#session = null;
      throw new Problem("no-media");
    }
    return answer;
  }

  #watch(peer) {
    if (peer !== this.#peer || !["failed", "closed"].includes(peer.connectionState)) return;
    this.close();
    this.dispatchEvent(new Event("lost"));
  }
}

/** Offer nothing but Opus, so that no server can choose a telephone codec. */
function preferOpus(transceiver) {
  const { codecs } = RTCRtpReceiver.getCapabilities("audio");
  const opus = codecs.filter((codec) => codec.mimeType.toLowerCase() === "audio/opus");
  if (opus.length) transceiver.setCodecPreferences?.(opus);
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

/** Wait for ICE and DTLS; *ended* gives up, since a peer we close emits nothing. */
function connected(peer, ended) {
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
