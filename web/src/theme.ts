/** Switches the theme without a reload; without scripts the same form reloads the page. */

/** Take over the theme forms. Fires `hansatheme` on the document for maps and charts. */
export function themeWithoutReload(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.hasAttribute("data-theme-form")) return;
    const button = event.submitter;
    if (!(button instanceof HTMLButtonElement)) return;
    event.preventDefault();
    const value = button.value;
    document.documentElement.dataset.theme = value;
    document
      .querySelector('meta[name="color-scheme"]')
      ?.setAttribute("content", value === "auto" ? "light dark" : value);
    for (const other of document.querySelectorAll<HTMLButtonElement>(".theme button")) {
      other.setAttribute("aria-pressed", String(other.value === value));
    }
    const year = 365 * 86_400;
    document.cookie = `hansa_theme=${value}; path=/; max-age=${year}; samesite=lax`;
    document.dispatchEvent(new CustomEvent("hansatheme"));
  });
}
