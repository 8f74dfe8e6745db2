/** Pure arithmetic of axes, classes and numbers. No DOM here, so that `node --test` can run it. */

/** Round steps for an axis: at most `count` of them, on 1, 2, 2.5 or 5 times a power of ten. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low) || count < 1) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough - 1e-12) ?? rough;
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

/** Bounds that end on round steps and start at zero when zero is near. */
export function bounds(values: readonly number[]): [number, number] {
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (low > 0 && low < (high - low) * 1.5) low = 0;
  if (high === low) {
    high = low + (Math.abs(low) || 1) * 0.5;
    if (low !== 0) low -= Math.abs(low) * 0.5;
  }
  const steps = ticks(low, high, 4);
  const step = steps.length > 1 ? (steps[1] as number) - (steps[0] as number) : high - low;
  const round = (n: number): number => Number((n * step).toPrecision(12));
  return [round(Math.floor(low / step + 1e-9)), round(Math.ceil(high / step - 1e-9))];
}

const THIN = "\u202f";

/** Write a number as the server does: thin spaces between thousands, few decimals. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "\u2013";
  const size = Math.abs(value);
  const digits = Number.isInteger(value)
    ? 0
    : size >= 1000
      ? 0
      : size >= 100
        ? 1
        : size >= 1
          ? 2
          : 4;
  let text = value.toFixed(digits);
  if (text.includes(".")) text = text.replace(/0+$/, "").replace(/\.$/, "");
  const [whole = "", rest] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
  return rest ? `${grouped}.${rest}` : grouped;
}

/** Round an instant (ms) down to a step counted from `start`. */
export function snap(at: number, start: number, stepMs: number): number {
  return start + Math.round((at - start) / stepMs) * stepMs;
}

/** Instants for a time axis: whole hours or days in the zone, at most `count`. */
export function timeTicks(start: number, end: number, count: number, offsetMs: number): number[] {
  const hour = 3_600_000;
  const steps = [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 168, 336, 720, 2160, 8760].map((h) => h * hour);
  const step = steps.find((s) => (end - start) / s <= count) ?? (end - start) / count;
  const found: number[] = [];
  for (let at = Math.ceil((start + offsetMs) / step) * step - offsetMs; at <= end; at += step) {
    found.push(at);
  }
  return found;
}

/** How far a zone is ahead of UTC at an instant, in ms. */
export function offsetOf(at: number, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(at);
  const part = (type: string): number => Number(parts.find((p) => p.type === type)?.value);
  const local = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  return local - Math.floor(at / 1000) * 1000;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** Write an instant in a zone, as the server does: `21 Nov 2026, 09:14 CET`. */
export function absolute(
  at: number,
  zone: string,
  style: "full" | "short" | "clock" = "full",
): string {
  const local = new Date(at + offsetOf(at, zone));
  const clock = `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}`;
  if (style === "clock") return clock;
  const day = `${local.getUTCDate()} ${MONTHS[local.getUTCMonth()]}`;
  if (style === "short") return `${day}, ${clock}`;
  return `${day} ${local.getUTCFullYear()}, ${clock} ${zoneName(at, zone)}`;
}

/** The short name of a zone at an instant: CET, CEST, UTC. */
export function zoneName(at: number, zone: string): string {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    timeZoneName: "short",
  }).formatToParts(at);
  return parts.find((p) => p.type === "timeZoneName")?.value ?? zone;
}
