/** Keeps the relative times ("3 minutes ago") true while a page stays open. */

const STEPS: readonly (readonly [number, string])[] = [
  [365 * 86_400, "year"],
  [60 * 86_400, "month"],
  [14 * 86_400, "week"],
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
  [1, "second"],
];
const SIZE: Record<string, number> = { month: 30 * 86_400, week: 7 * 86_400 };

/** Write how long ago or ahead, in the words that the server uses. */
export function relative(atMs: number, nowMs: number): string {
  const seconds = Math.abs(atMs - nowMs) / 1000;
  if (seconds < 5) return "just now";
  for (const [from, unit] of STEPS) {
    if (seconds < from) continue;
    const count = Math.max(1, Math.floor(seconds / (SIZE[unit] ?? from)));
    const text = `${count} ${unit}${count === 1 ? "" : "s"}`;
    return atMs > nowMs ? `in ${text}` : `${text} ago`;
  }
  return "just now";
}

/** Refresh all relative times now and then. The server's clock counts, not the browser's. */
export function keepTimesFresh(): void {
  const skewMs = Date.parse(document.documentElement.dataset.now ?? "") - Date.now();
  const refresh = (): void => {
    const now = Date.now() + (Number.isNaN(skewMs) ? 0 : skewMs);
    for (const time of document.querySelectorAll<HTMLTimeElement>("time[datetime]")) {
      const shown = time.querySelector(".rel");
      const at = Date.parse(time.dateTime);
      if (!shown || Number.isNaN(at)) continue;
      const text = relative(at, now);
      if (shown.textContent !== text) shown.textContent = text;
    }
  };
  window.setInterval(refresh, 10_000);
}
