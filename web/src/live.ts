/**
 * Pages that follow what happens. The server's event stream is turned into one DOM event,
 * `hansaevent` on the body, which htmx fragments and the map listen to; a slow poll remains for
 * when the stream is cut.
 */

const QUIET_MS = 250;

/** Follow the participant's events; many at once give one DOM event. */
export function followEvents(): void {
  const address = document.body.dataset.events;
  if (!address || !document.querySelector("[hx-trigger*=hansaevent], hansa-map")) return;
  let stream: EventSource | undefined;
  let waiting = 0;
  const tell = (): void => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(
      () => document.body.dispatchEvent(new CustomEvent("hansaevent")),
      QUIET_MS,
    );
  };
  const open = (): void => {
    stream?.close();
    stream = new EventSource(address);
    stream.addEventListener("message", tell);
    stream.addEventListener("change", tell);
    stream.addEventListener("moved", tell);
    stream.addEventListener("gap", tell);
    // What moved between the rendering of the page and this connection.
    stream.addEventListener("open", () => {
      if (document.querySelector("#live[data-moving]")) tell();
    });
  };
  // A hidden page holds no connection: browsers allow six per host.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stream?.close();
    else {
      open();
      tell();
    }
  });
  open();
}

function notice(text: string, action?: { href: string; text: string }): void {
  let box = document.querySelector<HTMLElement>(".connection");
  if (!text) {
    box?.remove();
    return;
  }
  if (!box) {
    box = document.createElement("div");
    box.className = "notice wait connection";
    box.setAttribute("role", "status");
    document.body.append(box);
  }
  box.textContent = text;
  if (action) {
    const link = document.createElement("a");
    link.href = action.href;
    link.textContent = action.text;
    box.append(" ", link);
  }
}

interface SwapEvent extends Event {
  detail: { ctx?: { response?: { status?: number } } };
}

/** Keep what is shown when the node does not answer, and say so. */
export function followConnection(): void {
  const since = (): string =>
    new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  document.addEventListener("htmx:before:swap", (event) => {
    const status = (event as SwapEvent).detail.ctx?.response?.status ?? 200;
    if (status === 401) {
      event.preventDefault();
      notice("Your session has ended.", { href: "/signin", text: "Sign in again" });
    } else if (status >= 400) {
      event.preventDefault();
      notice(`The node could not answer (${status}). This page shows what was known before.`);
    } else {
      notice("");
    }
  });
  document.addEventListener("htmx:error", () => {
    notice(`This page cannot reach the node since ${since()}. It tries again by itself.`);
  });
}
