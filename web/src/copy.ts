/** `<hansa-copy>`: a button that copies. Written without Lit, so that every page stays small. */

/**
 * Copies `text`, or without it the text of the `<pre>` in the same `.copyable`.
 * Attributes: `text`, `label` (what is copied, in words). Events: `hansa-copied` (bubbles). Announces what it did to screen readers.
 */
class HansaCopy extends HTMLElement {
  connectedCallback(): void {
    if (this.shadowRoot) return;
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("part", "button");
    button.textContent = "Copy";
    const what = this.getAttribute("label") ?? this.getAttribute("text") ?? this.heading();
    button.setAttribute("aria-label", what ? `Copy: ${what}` : "Copy");
    const said = document.createElement("span");
    said.setAttribute("role", "status");
    said.className = "said";
    button.addEventListener("click", () => void this.copy(button, said));
    root.append(button, said);
  }

  private heading(): string {
    return this.parentElement?.textContent?.trim() ?? "";
  }

  private async copy(button: HTMLButtonElement, said: HTMLElement): Promise<void> {
    const text =
      this.getAttribute("text") ??
      this.closest(".copyable")?.querySelector("pre")?.textContent?.trim() ??
      "";
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      said.textContent = "Copied";
      this.dispatchEvent(new CustomEvent("hansa-copied", { bubbles: true }));
    } catch {
      said.textContent = "Copying is not allowed here; select the text instead.";
      button.textContent = "Select by hand";
    }
    setTimeout(() => {
      button.textContent = "Copy";
      said.textContent = "";
    }, 2500);
  }
}

const STYLE = `
  button {
    min-height: 28px; min-width: 56px; padding: 2px 10px; cursor: pointer;
    border: 1px solid var(--line-strong); border-radius: var(--radius);
    background: var(--paper); color: var(--ink); font: 500 var(--s1) / 1.4 var(--sans);
  }
  button:hover { border-color: var(--ink); }
  button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  .said {
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  }
`;

customElements.define("hansa-copy", HansaCopy);
