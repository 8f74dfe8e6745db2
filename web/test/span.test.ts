import assert from "node:assert/strict";
import { test } from "node:test";
import { isLong, stepOf, windowOf } from "../src/span";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const QUARTER = HOUR / 4;
const to = Date.parse("2026-11-20T13:15:00Z");
const year = { from: to - 365 * DAY, to };

test("a span of two days needs no windows, a year does", () => {
  assert.equal(isLong({ from: to - 2 * DAY, to }), false);
  assert.equal(isLong(year), true);
});

test("the window of the present ends with the span", () => {
  assert.deepEqual(windowOf("day", year, to, QUARTER, 0), { from: to - DAY, to });
  assert.deepEqual(windowOf("week", year, to - DAY, QUARTER, 0), { from: to - 7 * DAY, to });
  assert.deepEqual(windowOf("all", year, to, QUARTER, 0), year);
});

test("the window of the past is the day of its zone", () => {
  const found = windowOf("day", year, Date.parse("2026-08-03T22:30:00Z"), QUARTER, 2 * HOUR);
  assert.equal(new Date(found.from).toISOString(), "2026-08-03T22:00:00.000Z");
  assert.equal(found.to - found.from, DAY);
});

test("a window never begins before the data", () => {
  const found = windowOf("day", year, year.from + HOUR, QUARTER, 0);
  assert.equal(found.from, year.from);
  assert.ok(found.to > found.from);
});

test("steps grow with the window and stay few", () => {
  assert.equal(stepOf({ from: 0, to: DAY }, QUARTER), QUARTER);
  assert.equal(stepOf({ from: 0, to: 7 * DAY }, QUARTER), HOUR);
  assert.equal(stepOf({ from: 0, to: 365 * DAY }, QUARTER), DAY);
  for (const days of [1, 7, 30, 365, 3650]) {
    const step = stepOf({ from: 0, to: days * DAY }, QUARTER);
    assert.ok((days * DAY) / step <= 530, `${days} days`);
  }
});
