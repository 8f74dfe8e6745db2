/** Colours: tokens read from the page, and scales that are even to the eye and safe for all. */

/**
 * ColorBrewer YlGnBu without its palest step: even, safe for colour-blind eyes, and with a hue in
 * the middle, so that no value looks like the grey of a building without one.
 */
export const SEQUENCE = [
  "#edf8b1",
  "#c7e9b4",
  "#7fcdbb",
  "#41b6c4",
  "#1d91c0",
  "#225ea8",
  "#253494",
  "#081d58",
] as const;

/** Resolve a token to a colour that a canvas understands (`light-dark()` included). */
export function token(name: string, host: Element = document.documentElement): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  probe.hidden = true;
  (host instanceof HTMLElement && host !== document.documentElement ? host : document.body).append(
    probe,
  );
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** Whether the page is dark now, by choice or by the system. */
export function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen === "dark";
  return window.matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Call back when the theme changes, by the toggle or by the system. Returns how to stop. */
export function onTheme(callback: () => void): () => void {
  const query = window.matchMedia("(prefers-color-scheme: dark)");
  document.addEventListener("hansatheme", callback);
  query.addEventListener("change", callback);
  return () => {
    document.removeEventListener("hansatheme", callback);
    query.removeEventListener("change", callback);
  };
}

/** Whether the person asked for less motion. */
export function lessMotion(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
