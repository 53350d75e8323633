/** What the phone's lock screen and a headset's keys know (W3C Media Session). */

const session = navigator.mediaSession;
const ARTWORK = [{ src: "/assets/icon.svg", sizes: "any", type: "image/svg+xml" }];

/** Let the keys do what the page's buttons do. */
export function onKeys({ play, stop }) {
  for (const [action, handler] of Object.entries({ play, pause: stop, stop })) {
    try {
      session?.setActionHandler(action, handler);
    } catch {
      // A browser that does not know this key.
    }
  }
}

/** Tell what is played where; null for nothing. */
export function tell(playing) {
  if (!session) return;
  session.playbackState = playing ? "playing" : "none";
  if (!playing) {
    session.metadata = null;
    return;
  }
  const { title, where } = playing;
  const { metadata } = session;
  if (metadata?.title === title && metadata.artist === where) return;
  session.metadata = new MediaMetadata({ title, artist: where, album: "Loacast", artwork: ARTWORK });
}
