import assert from "node:assert/strict";
import { test } from "node:test";

import { FLOOR_DBFS, fall, peakDbfs, share, toDbfs } from "../../../clients/web/levels.js";

test("full scale is 0 dBFS, half of it 6 below, silence the floor", () => {
  assert.equal(toDbfs(1), 0);
  assert.ok(Math.abs(toDbfs(0.5) + 6.02) < 0.01);
  assert.equal(toDbfs(0), FLOOR_DBFS);
  assert.equal(peakDbfs(new Float32Array([0, -1, 0.5])), 0);
});

test("a meter runs from the floor to full scale and no further", () => {
  assert.equal(share(FLOOR_DBFS), 0);
  assert.equal(share(0), 1);
  assert.equal(share(6), 1);
  assert.equal(share(null), 0);
});

test("the needle jumps up and falls slowly to the floor", () => {
  assert.equal(fall(-40, -10, 16), -10);
  assert.equal(fall(-10, -60, 500), -22);
  assert.equal(fall(-10, -60, 60_000), FLOOR_DBFS);
});
