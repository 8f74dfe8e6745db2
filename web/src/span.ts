/** The part of a long span of time that a slider moves in, and its steps. All in milliseconds. */

export interface Span {
  from: number;
  to: number;
}

export type Range = "day" | "week" | "all";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const STEPS_MAX = 400;
const STEPS: readonly number[] = [HOUR, 6 * HOUR, DAY, 7 * DAY];

/** Say whether a span is too long for one slider at full precision. */
export function isLong(span: Span): boolean {
  return span.to - span.from > 49 * HOUR;
}

/**
 * Give the window around an instant: the last day or week when it reaches the end, else the calendar
 * day (or the week from that day's beginning) in a zone with this offset.
 */
export function windowOf(
  range: Range,
  span: Span,
  around: number,
  step: number,
  offset: number,
): Span {
  if (range === "all") return span;
  const length = range === "day" ? DAY : 7 * DAY;
  if (around > span.to - length)
    return { from: Math.max(span.from, span.to - length), to: span.to };
  const day = Math.floor((around + offset) / DAY) * DAY - offset;
  const from = Math.max(span.from, day);
  return { from, to: Math.max(from + step, Math.min(span.to, day + length)) };
}

/** Give the step of a window: the data's own, or one of an hour and more when there are too many. */
export function stepOf(window: Span, step: number): number {
  const wide = window.to - window.from;
  if (wide / step <= STEPS_MAX) return step;
  return STEPS.find((each) => wide / each <= STEPS_MAX) ?? 7 * DAY;
}
