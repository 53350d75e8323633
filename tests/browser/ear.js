/** Records what the page plays, as the browser decoded it: put in before the page's scripts. */
(() => {
  const RATE_HZ = 48_000;
  const property = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject");
  const blocks = [];
  let context = null;
  let recorder = null;

  function open() {
    context = new AudioContext({ sampleRate: RATE_HZ });
    recorder = context.createScriptProcessor(4096, 1, 1);
    recorder.onaudioprocess = ({ inputBuffer }) => {
      const block = inputBuffer.getChannelData(0);
      blocks.push(Int16Array.from(block, (sample) => Math.round(sample * 32_767)));
    };
    recorder.connect(context.destination);
  }

  function hear(stream) {
    if (!context) open();
    context.createMediaStreamSource(stream).connect(recorder);
  }

  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", {
    configurable: true,
    get() {
      return property.get.call(this);
    },
    set(stream) {
      property.set.call(this, stream);
      if (stream) hear(stream);
    },
  });

  /** Everything so far: 16-bit samples in base64. */
  window.heard = async () => {
    const url = await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(new Blob(blocks));
    });
    return url.slice(url.indexOf(",") + 1);
  };
})();
