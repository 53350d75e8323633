/** The volume slider, remembered; not there where only the device's own keys count. */

const STORED = "loacast.volume";

/**
 * Join *slider* (percent) and *audio*.
 * @param {HTMLInputElement} slider @param {HTMLElement} field What is hidden without it.
 * @param {HTMLAudioElement} audio @param {Storage} storage
 */
export function joinVolume({ slider, field, audio, storage }) {
  // On iOS an element's volume cannot be set: it stays 1.
  audio.volume = 0.5;
  field.hidden = audio.volume !== 0.5;
  const stored = Number(storage.getItem(STORED) ?? 100);
  slider.value = String(Number.isFinite(stored) ? stored : 100);
  const apply = () => {
    audio.volume = slider.valueAsNumber / 100;
    slider.setAttribute("aria-valuetext", `${slider.value} %`);
  };
  slider.addEventListener("input", () => {
    storage.setItem(STORED, slider.value);
    apply();
  });
  apply();
}
