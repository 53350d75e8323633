/** Who is signed in on this device. */

import { Api, Problem } from "./api.js";

const STORED = "loacast.token";
/** What a header can carry; nothing else was ever a token. */
const PRINTABLE = /^[\x21-\x7e]+$/;

/** The token lives as long as the tab, or, if the person asked for it, on the device. */
export class Session {
  #tab;
  #device;

  /** @param {Storage} tab @param {Storage} device */
  constructor(tab = sessionStorage, device = localStorage) {
    this.#tab = tab;
    this.#device = device;
  }

  /** The remembered token, or null. */
  get token() {
    return this.#tab.getItem(STORED) ?? this.#device.getItem(STORED);
  }

  /** Whether the token outlives the tab. */
  get stays() {
    return this.#device.getItem(STORED) !== null;
  }

  /**
   * Try *token* and remember it if the server knows it.
   * @param {boolean} stay Remember it after the tab is closed.
   * @returns {Promise<{api: Api, me: object, server: object}>}
   * @throws {import("./api.js").Problem} Status 401: it is wrong or has expired.
   */
  async enter(token, stay) {
    if (!PRINTABLE.test(token)) throw new Problem("unauthorized", { status: 401 });
    const api = new Api(token);
    const [me, server] = await Promise.all([api.get("/me"), api.get("/server")]);
    (stay ? this.#device : this.#tab).setItem(STORED, token);
    return { api, me, server };
  }

  /** Forget the token everywhere. */
  leave() {
    this.#tab.removeItem(STORED);
    this.#device.removeItem(STORED);
  }
}
