/** Loudness as a person reads it: dBFS, and a needle that falls slowly. Pure. */

/** What a meter shows as its empty end. */
export const FLOOR_DBFS = -60;
/** Above this the microphone is too loud. */
export const HOT_DBFS = -3;
/** A needle falls so fast (dB per second), as a quasi-peak meter's does. */
const FALL_DB_PER_S = 24;

/** Peak of *samples* (full scale 1) in dBFS, not below the floor. */
export function peakDbfs(samples) {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return toDbfs(peak);
}

/** An amplitude (full scale 1) in dBFS, not below the floor. */
export function toDbfs(amplitude) {
  return amplitude > 0 ? Math.max(20 * Math.log10(amplitude), FLOOR_DBFS) : FLOOR_DBFS;
}

/** Where *dbfs* stands on a meter, 0 to 1. */
export function share(dbfs) {
  return Math.min(Math.max(1 - (dbfs ?? FLOOR_DBFS) / FLOOR_DBFS, 0), 1);
}

/** A needle that jumps up at once and falls slowly. */
export function fall(shown_dbfs, now_dbfs, passed_ms) {
  return Math.max(now_dbfs, shown_dbfs - (FALL_DB_PER_S * passed_ms) / 1000, FLOOR_DBFS);
}
