/** `<hansa-drop>`: lets a file be dropped on the file field that it holds. */

/** Wraps an `<input type="file">`. Sets its own attribute `over` while a file hovers. */
class HansaDrop extends HTMLElement {
  connectedCallback(): void {
    const input = this.querySelector<HTMLInputElement>('input[type="file"]');
    if (!input) return;
    this.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.toggleAttribute("over", true);
    });
    this.addEventListener("dragleave", () => this.toggleAttribute("over", false));
    this.addEventListener("drop", (event) => {
      event.preventDefault();
      this.toggleAttribute("over", false);
      if (event.dataTransfer?.files.length) {
        input.files = event.dataTransfer.files;
        input.focus();
      }
    });
  }
}

customElements.define("hansa-drop", HansaDrop);
