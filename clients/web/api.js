/** The server's HTTP API as seen by a page (streamer/api). */

const BASE = "/api/v1";
const PROBLEM_TYPE = /[:/]([a-z0-9-]+)$/;

/** A request that failed: problem details (RFC 9457), or no answer at all. */
export class Problem extends Error {
  /**
   * @param {string} slug Stable name of the kind, as in streamer/api/problems.py; ours are
   *   "no-connection", "unreadable-answer" and those of audio.js and whip.js.
   * @param {{status?: number, detail?: string, retry_after_ms?: number}} [more] `status`
   *   is 0 when nothing answered.
   */
  constructor(slug, { status = 0, detail = "", retry_after_ms = 0 } = {}) {
    super(detail || slug);
    this.name = "Problem";
    this.slug = slug;
    this.status = status;
    this.detail = detail;
    this.retry_after_ms = retry_after_ms;
  }

  /** The problem that *response*, not a 2xx, tells of. */
  static async from(response) {
    const body = await response.json().catch(() => ({}));
    const slug = PROBLEM_TYPE.exec(body.type ?? "")?.[1] ?? `http-${response.status}`;
    return new Problem(slug, {
      status: response.status,
      detail: body.detail ?? "",
      retry_after_ms: (Number(response.headers.get("Retry-After")) || 0) * 1000,
    });
  }
}

/** `fetch` that turns every failure into a Problem. */
export async function request(url, { timeout_ms, ...options }) {
  let response;
  try {
    const signal = timeout_ms ? AbortSignal.timeout(timeout_ms) : undefined;
    response = await fetch(url, { cache: "no-store", signal, ...options });
  } catch (error) {
    throw new Problem("no-connection", { detail: String(error) });
  }
  if (!response.ok) throw await Problem.from(response);
  return response;
}

/** Requests with one person's token, or without one for what is public. */
export class Api {
  #token;

  /** @param {string|null} token As typed in; it never leaves for another origin. */
  constructor(token = null) {
    this.#token = token;
  }

  /** Headers that say who asks. */
  get authorization() {
    return this.#token === null ? {} : { Authorization: `Bearer ${this.#token}` };
  }

  get(path, { timeout_ms = 5000 } = {}) {
    return this.#json(path, { method: "GET", timeout_ms });
  }

  /** @param {{keepalive?: boolean}} [options] `keepalive` outlives the page. */
  post(path, body, { timeout_ms = 8000, keepalive = false } = {}) {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const text = body === undefined ? undefined : JSON.stringify(body);
    return this.#json(path, { method: "POST", headers, body: text, timeout_ms, keepalive });
  }

  async #json(path, { headers = {}, ...options }) {
    const all = { Accept: "application/json", ...headers, ...this.authorization };
    const response = await request(BASE + path, { ...options, headers: all });
    try {
      return await response.json();
    } catch (error) {
      // The body can still be cut off or time out after the status line came.
      throw new Problem("no-connection", { detail: String(error) });
    }
  }
}
