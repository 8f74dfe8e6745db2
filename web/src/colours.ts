/** Colours: tokens read from the page, and scales that are even to the eye and safe for all. */

/** Ten steps of cividis (Nuñez, Anderton, Renslow 2018), dark to light. */
export const CIVIDIS = [
  "#00224e",
  "#123570",
  "#3b496c",
  "#575d6d",
  "#707173",
  "#8a8678",
  "#a59c74",
  "#c3b369",
  "#e1cc55",
  "#fee838",
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
