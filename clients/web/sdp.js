/** The few changes to session descriptions that a WHIP sender needs. Pure. */

/**
 * *sdp* with format parameters of Opus added or replaced (RFC 7587, section 6.1).
 *
 * In the answer these say what the receiver wants, so the browser's encoder obeys them.
 * @param {string} sdp
 * @param {Record<string, string|number>} parameters e.g. `{ maxaveragebitrate: 64000 }`.
 */
export function withOpusParameters(sdp, parameters) {
  const newline = sdp.includes("\r\n") ? "\r\n" : "\n";
  const lines = sdp.split(newline);
  const payloadTypes = opusPayloadTypes(sdp);
  for (const payloadType of payloadTypes) {
    const prefix = `a=fmtp:${payloadType} `;
    const at = lines.findIndex((line) => line.startsWith(prefix));
    const known = at < 0 ? {} : parse(lines[at].slice(prefix.length));
    const line = prefix + serialize({ ...known, ...parameters });
    if (at >= 0) lines[at] = line;
    else lines.splice(mapLine(lines, payloadType) + 1, 0, line);
  }
  return lines.join(newline);
}

/** Payload types that are mapped to Opus. */
export function opusPayloadTypes(sdp) {
  return [...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000/gim)].map((match) => match[1]);
}

function mapLine(lines, payloadType) {
  return lines.findIndex((line) => line.startsWith(`a=rtpmap:${payloadType} `));
}

function parse(text) {
  const pairs = text.split(";").map((pair) => pair.trim().split("="));
  return Object.fromEntries(pairs.filter(([name]) => name));
}

function serialize(parameters) {
  return Object.entries(parameters)
    .map(([name, value]) => (value === undefined ? name : `${name}=${value}`))
    .join(";");
}
