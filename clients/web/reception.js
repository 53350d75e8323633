/** How well it is received, from the browser's counters (W3C webrtc-stats). Pure. */

/** How far back losses are counted, in samples taken once a second. */
const WINDOW = 10;
const GOOD = { lost: 0.02, concealed: 0.01, latency_ms: 500 };
const FAIR = { lost: 0.1, concealed: 0.05, latency_ms: 1500 };

/**
 * @typedef {object} Sample
 * @property {number} packets  Received so far.
 * @property {number} lost  By the gaps in the sequence numbers; a late one takes it back.
 * @property {number} checks  ICE's own messages, which come in silence too.
 * @property {number} buffered_s  Seconds that played samples waited, summed over samples.
 * @property {number} buffered_samples  How many samples that sum is over.
 * @property {number} played_samples
 * @property {number} concealed_samples  Played but made up, silence left aside.
 * @property {number|null} round_trip_s
 */

/**
 * What matters of an RTCStatsReport.
 * @param {Map<string, object>} report
 * @returns {Sample}
 */
export function read(report) {
  const all = [...report.values()];
  const audio = all.find(({ type, kind }) => type === "inbound-rtp" && kind === "audio") ?? {};
  const pair = selectedPair(report, all) ?? {};
  return {
    packets: audio.packetsReceived ?? 0,
    lost: audio.packetsLost ?? 0,
    checks: (pair.responsesReceived ?? 0) + (pair.requestsReceived ?? 0),
    buffered_s: audio.jitterBufferDelay ?? 0,
    buffered_samples: audio.jitterBufferEmittedCount ?? 0,
    played_samples: audio.totalSamplesReceived ?? 0,
    concealed_samples: (audio.concealedSamples ?? 0) - (audio.silentConcealedSamples ?? 0),
    round_trip_s: pair.currentRoundTripTime ?? null,
  };
}

/** The pair of addresses in use; not every browser names it in the transport. */
function selectedPair(report, all) {
  const named = all.find(({ type }) => type === "transport")?.selectedCandidatePairId;
  if (named) return report.get(named);
  return all.find(
    ({ type, selected, nominated, state }) =>
      type === "candidate-pair" && (selected ?? (nominated && state === "succeeded")),
  );
}

/** The samples to keep, with the newest. */
export function remember(samples, sample) {
  return [...samples, sample].slice(-WINDOW);
}

/**
 * How it was received lately.
 *
 * The latency is what the way from the server adds: half a round trip and the wait in
 * the jitter buffer, as of the last second; not what was there before (encoding) and
 * not what comes after (the device).
 * @param {Sample[]} samples From the oldest to the newest, of one connection.
 * @returns {{latency_ms: number|null, lost: number|null, concealed: number|null,
 *   verdict: "good"|"fair"|"poor"|null}} Shares are 0 to 1; null where nothing came.
 */
export function judge(samples) {
  if (samples.length < 2) return verdictOn({ latency_ms: null, lost: null, concealed: null });
  const [oldest, previous, newest] = [samples[0], samples.at(-2), samples.at(-1)];
  const lost = Math.max(newest.lost - oldest.lost, 0);
  const expected = newest.packets - oldest.packets + lost;
  const played = newest.played_samples - oldest.played_samples;
  const concealed = Math.max(newest.concealed_samples - oldest.concealed_samples, 0);
  return verdictOn({
    latency_ms: latencyMs(previous, newest),
    lost: newest.packets > oldest.packets ? lost / expected : null,
    concealed: newest.packets > oldest.packets && played > 0 ? concealed / played : null,
  });
}

function latencyMs(previous, newest) {
  const samples = newest.buffered_samples - previous.buffered_samples;
  if (samples <= 0) return null;
  const waited_s = (newest.buffered_s - previous.buffered_s) / samples;
  return Math.round(1000 * (waited_s + (newest.round_trip_s ?? 0) / 2));
}

function verdictOn(seen) {
  const within = (limits) => Object.entries(limits).every(([name, most]) => seen[name] <= most);
  if (Object.values(seen).includes(null)) return { ...seen, verdict: null };
  return { ...seen, verdict: within(GOOD) ? "good" : within(FAIR) ? "fair" : "poor" };
}
