/** The microphone of this device: permission, choice of device, level. */

import { Problem } from "./api.js";
import { FLOOR_DBFS, fall, peakDbfs } from "./levels.js";

/** What a browser calls a refusal, and what we call it. */
const REFUSALS = {
  NotAllowedError: "microphone-denied",
  SecurityError: "microphone-denied",
  NotFoundError: "microphone-missing",
  OverconstrainedError: "microphone-missing",
  NotReadableError: "microphone-busy",
  AbortError: "microphone-busy",
};

/**
 * The chosen microphone. Emits "change" when it is opened or lost; `lost` tells which.
 */
export class Microphone extends EventTarget {
  #stream = null;
  #context = null;
  #analyser = null;
  #samples = null;
  #shown_dbfs = FLOOR_DBFS;
  #read_ms = 0;
  lost = false;

  /** The open microphone's track, or null. */
  get track() {
    return this.#stream?.getAudioTracks()[0] ?? null;
  }

  /** Id of the device in use. */
  get deviceId() {
    return this.track?.getSettings().deviceId ?? null;
  }

  /**
   * Ask for the microphone and open it; another one that was open is closed.
   *
   * @param {{deviceId?: string, music?: boolean}} choice `music` switches off what helps
   *   a voice and harms all else: echo cancellation, noise suppression, gain control.
   * @throws {Problem} "microphone-denied", "-missing", "-busy" or "-needs-https".
   */
  async open({ deviceId, music = false }) {
    if (!navigator.mediaDevices?.getUserMedia) throw new Problem("microphone-needs-https");
    const stream = await this.#ask({
      deviceId: deviceId ? { exact: deviceId } : undefined,
      echoCancellation: !music,
      noiseSuppression: !music,
      autoGainControl: !music,
      channelCount: { ideal: 1 },
      sampleRate: { ideal: 48_000 },
    });
    this.close();
    this.#stream = stream;
    this.lost = false;
    this.track.addEventListener("ended", () => this.#lose(stream));
    await this.#listen(stream);
    this.dispatchEvent(new Event("change"));
  }

  close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#context?.close();
    this.#stream = this.#context = this.#analyser = null;
  }

  /** Microphones that can be chosen; their labels are empty before the permission. */
  async devices() {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return all.filter((device) => device.kind === "audioinput" && device.deviceId);
  }

  /** Peak level now, dBFS, falling slowly; read it once per frame drawn. */
  level(now_ms) {
    if (!this.#analyser) return FLOOR_DBFS;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const passed_ms = now_ms - this.#read_ms;
    this.#read_ms = now_ms;
    this.#shown_dbfs = fall(this.#shown_dbfs, peakDbfs(this.#samples), passed_ms);
    return this.#shown_dbfs;
  }

  /** Browsers let sound run only after a gesture; call it from one. */
  wake() {
    this.#context?.resume();
  }

  async #ask(audio) {
    try {
      return await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      const slug = REFUSALS[error.name] ?? "microphone-busy";
      throw new Problem(slug, { detail: error.message });
    }
  }

  async #listen(stream) {
    this.#context = new AudioContext({ latencyHint: "interactive" });
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 2048;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    this.wake();
  }

  #lose(stream) {
    if (stream !== this.#stream) return;
    this.close();
    this.lost = true;
    this.dispatchEvent(new Event("change"));
  }
}
