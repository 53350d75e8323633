import assert from "node:assert/strict";
import { test } from "node:test";

import { opusPayloadTypes, withOpusParameters } from "../../../clients/web/sdp.js";

const ANSWER = [
  "v=0",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 minptime=10;useinbandfec=0",
  "a=rtpmap:0 PCMU/8000",
  "",
].join("\r\n");

test("parameters are replaced and added, all else stays", () => {
  const changed = withOpusParameters(ANSWER, { maxaveragebitrate: 64000, useinbandfec: 1 });
  assert.equal(
    changed,
    ANSWER.replace(
      "minptime=10;useinbandfec=0",
      "minptime=10;useinbandfec=1;maxaveragebitrate=64000",
    ),
  );
});

test("a missing fmtp line is added right after the mapping", () => {
  const bare = ANSWER.replace("a=fmtp:111 minptime=10;useinbandfec=0\r\n", "");
  const lines = withOpusParameters(bare, { stereo: 0 }).split("\r\n");
  assert.equal(lines[lines.indexOf("a=rtpmap:111 opus/48000/2") + 1], "a=fmtp:111 stereo=0");
});

test("an answer without Opus is left alone", () => {
  const other = "v=0\r\na=rtpmap:0 PCMU/8000\r\n";
  assert.deepEqual(opusPayloadTypes(other), []);
  assert.equal(withOpusParameters(other, { stereo: 0 }), other);
});

test("setting the same parameters twice changes nothing more", () => {
  const once = withOpusParameters(ANSWER, { stereo: 0 });
  assert.equal(withOpusParameters(once, { stereo: 0 }), once);
});
