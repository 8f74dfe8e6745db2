/**
 * `<hansa-area>`: draw a rectangle on a small plan of the data.
 *
 * Attributes: `places` (GeoJSON FeatureCollection), `bbox` (`west south east north`). It fills the
 * four fields `[data-edge]` of its fieldset and follows them; by keyboard, the fields are the way.
 */
import { type Collection, positions } from "./map_model";

const WIDE = 448;
const HIGH = 260;
const MARGIN = 0.18;
const EDGES = ["west", "south", "east", "north"] as const;
const NS = "http://www.w3.org/2000/svg";

function element(name: string, attributes: Record<string, string>): SVGElement {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

class HansaArea extends HTMLElement {
  private frame = { x: 0, y: 0, lon: 1, lat: 1 };
  private readonly box = element("rect", { class: "within", width: "0", height: "0" });
  private from: [number, number] | null = null;

  connectedCallback(): void {
    if (this.firstChild) return;
    const [w = 0, s = 0, e = 0, n = 0] = (this.getAttribute("bbox") ?? "").split(" ").map(Number);
    const cos = Math.max(0.05, Math.cos(((s + n) / 2) * (Math.PI / 180)));
    const wide = Math.max((e - w) * (1 + 2 * MARGIN), 1e-4);
    const high = Math.max((n - s) * (1 + 2 * MARGIN), 1e-4);
    const pixels = Math.min(WIDE / (wide * cos), HIGH / high);
    this.frame = {
      x: WIDE / 2 - ((w + e) / 2) * cos * pixels,
      y: HIGH / 2 + ((s + n) / 2) * pixels,
      lon: cos * pixels,
      lat: pixels,
    };
    const svg = element("svg", {
      viewBox: `0 0 ${WIDE} ${HIGH}`,
      class: "area-pick",
      "aria-hidden": "true",
    });
    svg.append(element("rect", { class: "ground", width: String(WIDE), height: String(HIGH) }));
    const [x0, y0] = this.place(w, n);
    const [x1, y1] = this.place(e, s);
    svg.append(
      element("rect", {
        class: "around",
        x: `${x0}`,
        y: `${y0}`,
        width: `${x1 - x0}`,
        height: `${y1 - y0}`,
      }),
    );
    for (const feature of this.collection().features) {
      for (const [lon, lat] of positions(feature.geometry).slice(0, 1)) {
        const [x, y] = this.place(lon, lat);
        svg.append(element("circle", { cx: `${x}`, cy: `${y}`, r: "2.5" }));
      }
    }
    svg.append(this.box);
    svg.addEventListener("pointerdown", (event) => this.begin(event as PointerEvent, svg));
    svg.addEventListener("pointermove", (event) => this.move(event as PointerEvent, svg));
    svg.addEventListener("pointerup", () => {
      this.from = null;
    });
    const hint = document.createElement("p");
    hint.className = "hint";
    hint.textContent = "Drag a rectangle, or fill in the edges.";
    this.append(hint, svg);
    for (const input of this.inputs()) input?.addEventListener("input", () => this.follow());
    this.follow();
  }

  private collection(): Collection {
    try {
      return JSON.parse(this.getAttribute("places") ?? "") as Collection;
    } catch {
      return { type: "FeatureCollection", features: [] };
    }
  }

  private inputs(): (HTMLInputElement | null)[] {
    const field = this.closest("fieldset");
    return EDGES.map(
      (edge) => field?.querySelector<HTMLInputElement>(`[data-edge="${edge}"]`) ?? null,
    );
  }

  private place(lon: number, lat: number): [number, number] {
    const { frame } = this;
    return [frame.x + lon * frame.lon, frame.y - lat * frame.lat];
  }

  private spot(event: PointerEvent, svg: SVGElement): [number, number] {
    const rect = svg.getBoundingClientRect();
    const x = ((event.clientX - rect.left) / rect.width) * WIDE;
    const y = ((event.clientY - rect.top) / rect.height) * HIGH;
    return [(x - this.frame.x) / this.frame.lon, (this.frame.y - y) / this.frame.lat];
  }

  private begin(event: PointerEvent, svg: SVGElement): void {
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    this.from = this.spot(event, svg);
  }

  private move(event: PointerEvent, svg: SVGElement): void {
    if (!this.from) return;
    const [a, b] = this.from;
    const [c, d] = this.spot(event, svg);
    const edges = [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
    this.inputs().forEach((input, i) => {
      if (input) input.value = (edges[i] as number).toFixed(5);
    });
    this.follow();
  }

  private follow(): void {
    const values = this.inputs().map((input) =>
      input?.value.trim() ? Number(input.value) : Number.NaN,
    );
    const [w = 0, s = 0, e = 0, n = 0] = values;
    const fine = values.every(Number.isFinite) && w < e && s < n;
    const [x0, y0] = this.place(w, n);
    const [x1, y1] = this.place(e, s);
    this.box.setAttribute("width", fine ? `${x1 - x0}` : "0");
    this.box.setAttribute("height", fine ? `${y1 - y0}` : "0");
    if (!fine) return;
    this.box.setAttribute("x", `${x0}`);
    this.box.setAttribute("y", `${y0}`);
  }
}

customElements.define("hansa-area", HansaArea);
