import assert from "node:assert/strict";
import { test } from "node:test";
import { absolute, bounds, number, offsetOf, snap, ticks, timeTicks } from "../src/scale";
import { relative } from "../src/times";

test("ticks are round and stay within the bounds", () => {
  assert.deepEqual(ticks(0, 9, 4), [0, 2.5, 5, 7.5]);
  assert.deepEqual(ticks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(3, 3, 4), [3]);
});

test("bounds start at zero when zero is near, and are never empty", () => {
  assert.deepEqual(bounds([1, 8.6]), [0, 10]);
  const [low, high] = bounds([5, 5]);
  assert.ok(low < 5 && high > 5);
  assert.deepEqual(bounds([0, 0]), [0, 0.6]);
});

test("numbers are written as the server writes them", () => {
  assert.equal(number(10482), "10\u202f482");
  assert.equal(number(1234.56), "1\u202f235");
  assert.equal(number(2.56789), "2.57");
  assert.equal(number(0.012345), "0.0123");
  assert.equal(number(null), "\u2013");
});

test("a zone is respected on both sides of a clock change", () => {
  const winter = Date.parse("2026-10-25T01:30:00Z");
  const summer = Date.parse("2026-10-25T00:30:00Z");
  assert.equal(offsetOf(winter, "Europe/Amsterdam"), 3_600_000);
  assert.equal(offsetOf(summer, "Europe/Amsterdam"), 7_200_000);
  assert.equal(absolute(summer, "Europe/Amsterdam", "clock"), "02:30");
  assert.equal(absolute(winter, "Europe/Amsterdam", "clock"), "02:30");
  assert.match(absolute(winter, "Europe/Amsterdam"), /^25 Oct 2026, 02:30 (CET|GMT\+1)$/);
});

test("time ticks fall on whole hours of the zone", () => {
  const start = Date.parse("2026-11-21T08:10:00Z");
  const found = timeTicks(start, start + 6 * 3_600_000, 6, 3_600_000);
  assert.equal(new Date(found[0] as number).toISOString(), "2026-11-21T09:00:00.000Z");
  assert.ok(found.length <= 7);
});

test("snapping counts steps from the start", () => {
  assert.equal(snap(1_000, 0, 900), 900);
  assert.equal(snap(1_400, 0, 900), 1_800);
});

test("relative times use the server's words", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");
  assert.equal(relative(now - 2_000, now), "just now");
  assert.equal(relative(now - 40_000, now), "40 seconds ago");
  assert.equal(relative(now - 3_600_000, now), "1 hour ago");
  assert.equal(relative(now + 40 * 86_400_000, now), "in 5 weeks");
});
