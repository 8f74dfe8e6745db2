/**
 * `<hansa-map>`: the city with its own layers and what it received, now and then.
 *
 * Attributes: `src` (address of the map's description), `entity-base` and `transfer-base`
 * (addresses that an id is put behind), `zone` (IANA). Events: `hansa-select` {layer, id} and
 * `hansa-time` {at} (from its slider). Listens to `hansaevent` on the body and polls every 15 s.
 * Everything on the canvas is also in the table beside it; a row chooses its feature.
 */
import { html, LitElement, nothing } from "lit";
import { onTheme } from "./colours";
import { MapCanvas } from "./map_canvas";
import { MapData } from "./map_data";
import {
  boundsOf,
  type Collection,
  type Feature,
  featureId,
  type LayerSpec,
  type MapSpec,
  prepared,
  readView,
  type Scale,
  scales,
  writeView,
} from "./map_model";
import { layerList, legend, table } from "./map_panel";
import "./slider";

const POLL_MS = 15_000;

export class HansaMap extends LitElement {
  static override properties = {
    src: {},
    entityBase: { attribute: "entity-base" },
    transferBase: { attribute: "transfer-base" },
    zone: {},
    spec: { state: true },
    at: { state: true },
    off: { state: true },
    refused: { state: true },
    chosen: { state: true },
    tilted: { state: true },
    problem: { state: true },
    tick: { state: true },
  };

  declare src: string;
  declare entityBase: string;
  declare transferBase: string;
  declare zone: string;
  declare spec: MapSpec | null;
  declare at: string | null;
  declare off: Set<string>;
  declare refused: Map<string, string>;
  declare chosen: { layer: string; id: string } | null;
  declare tilted: boolean;
  declare problem: string;
  declare tick: number;

  readonly data = new Map<string, Collection>();
  scales: Map<string, Scale> = new Map();
  private readonly source = new MapData();
  private canvas: MapCanvas | null = null;
  private stopping: (() => void)[] = [];
  private loading: AbortController | null = null;
  private readonly view = readView(window.location.hash);

  constructor() {
    super();
    this.zone = "UTC";
    this.spec = null;
    this.at = this.view.at;
    this.off = new Set(this.view.off);
    this.refused = new Map();
    this.chosen = null;
    this.tilted = (this.view.pitch ?? 0) > 5;
    this.problem = "";
    this.tick = 0;
  }

  /** Light DOM: the map's own stylesheet and the page's tokens apply as they are. */
  override createRenderRoot(): HTMLElement {
    this.querySelector(".map-fallback")?.remove();
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const again = (): void => void this.refresh();
    const timer = window.setInterval(again, POLL_MS);
    document.body.addEventListener("hansaevent", again);
    this.stopping = [
      () => window.clearInterval(timer),
      () => document.body.removeEventListener("hansaevent", again),
      onTheme(() => {
        this.canvas?.recolour();
        this.tick += 1;
      }),
    ];
    void this.refresh();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const stop of this.stopping) stop();
    this.canvas?.remove();
    this.canvas = null;
  }

  /** Layers that are switched on. */
  shown(): LayerSpec[] {
    return (this.spec?.layers ?? []).filter((layer) => !this.off.has(layer.id));
  }

  private async refresh(): Promise<void> {
    try {
      const spec = prepared(await this.source.spec(this.src));
      for (const layer of spec.layers) if (layer.stopped) this.source.forget(layer);
      this.spec = spec;
      this.problem = "";
      await this.load(this.at === null);
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
    }
  }

  /** Load what is missing, and with `fresh` also what changes with time. */
  private async load(fresh: boolean): Promise<void> {
    const { spec } = this;
    if (!spec) return;
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    const refused = new Map<string, string>();
    await Promise.all(
      spec.layers.map(async (layer) => {
        const known = this.data.has(layer.id);
        if (known && !layer.attribute && !layer.stopped) return;
        if (known && layer.attribute && !fresh && !layer.stopped && this.at === null) return;
        try {
          const got = await this.source.layer(layer, this.at, loading.signal);
          this.data.set(layer.id, got.data);
          if (got.refused) refused.set(layer.id, got.refused);
        } catch (error) {
          if (loading.signal.aborted) return;
          refused.set(layer.id, error instanceof Error ? error.message : String(error));
        }
      }),
    );
    if (loading.signal.aborted) return;
    this.refused = refused;
    this.scales = scales(spec.layers, this.data, this.scales);
    if (!this.canvas) this.begin(spec);
    this.canvas?.draw();
    this.tick += 1;
  }

  private begin(spec: MapSpec): void {
    const holder = this.querySelector<HTMLElement>(".map-canvas");
    if (!holder) return;
    const bounds = spec.bbox ?? boundsOf(this.data.values());
    try {
      this.canvas = new MapCanvas(holder, this, spec, bounds, this.view);
    } catch {
      this.problem = "This browser cannot draw the map (no WebGL). The table has the same values.";
    }
  }

  /** Choose a feature: mark it, show its values; `fly` brings it into view. */
  choose(layer: string, id: string, fly: boolean): void {
    this.chosen = { layer, id };
    const feature = this.data.get(layer)?.features.find((f) => featureId(f) === id);
    if (feature) this.canvas?.show(layer, feature, fly);
    this.dispatchEvent(new CustomEvent("hansa-select", { bubbles: true, detail: { layer, id } }));
  }

  /** Choose nothing. */
  unchoose(): void {
    this.chosen = null;
  }

  /** Remember the view in the address, so that it can be shared. */
  remember(): void {
    const camera = this.canvas?.camera() ?? {};
    const hash = writeView({ at: this.at, off: [...this.off], ...camera });
    window.history.replaceState(null, "", hash ? `#${hash}` : window.location.pathname);
    this.querySelector("hansa-copy")?.setAttribute("text", window.location.href);
  }

  private onTime(event: CustomEvent<{ at: string | null }>): void {
    this.at = event.detail.at;
    this.remember();
    void this.load(true);
  }

  private toggle(id: string): void {
    const off = new Set(this.off);
    if (!off.delete(id)) off.add(id);
    this.off = off;
    this.canvas?.draw();
    this.remember();
  }

  private tilt(): void {
    this.tilted = !this.tilted;
    this.canvas?.tilt(this.tilted);
  }

  override render(): unknown {
    const time = this.spec?.time;
    return html`
      <div class="map-stage">
        <div class="map-canvas"></div>
        <div class="map-tools">
          <button type="button" aria-pressed=${this.tilted} @click=${this.tilt}>3D</button>
          <button type="button" @click=${() => this.canvas?.whole()}>Whole area</button>
          <span class="share">Link to this view <hansa-copy label="the link to this view" text=${window.location.href}></hansa-copy></span>
        </div>
        ${this.problem ? html`<p class="notice stop map-problem" role="alert">${this.problem}</p>` : nothing}
        ${
          time
            ? html`<hansa-time-slider
                start=${time.start}
                end=${time.end}
                step=${time.step_s}
                zone=${this.zone}
                .value=${this.at}
                @hansa-time=${this.onTime}
              ></hansa-time-slider>`
            : nothing
        }
      </div>
      <aside class="map-panel" aria-label="Layers and values">
        ${layerList(this, (id) => this.toggle(id))} ${legend(this)}
        ${table(this, (layer, feature) => this.choose(layer, featureId(feature as Feature), true))}
      </aside>
    `;
  }
}

customElements.define("hansa-map", HansaMap);
