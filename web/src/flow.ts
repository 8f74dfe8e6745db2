/**
 * `<hansa-flow>`: the space as a small map: who is there, and what moves between them.
 *
 * Attributes (JSON): `me` {did, title, role}, `authority` {did, title?} or null,
 * `flows` [{transfer_id, from, to, title, state, items_per_min, last_at}]; `membership` (a word).
 * It only draws; the table beside it says the same in words. A dot moves only while bytes move,
 * and never when the person asked for less motion.
 */
import { css, html, LitElement, nothing, type SVGTemplateResult, svg } from "lit";
import { lessMotion } from "./colours";
import { arrange, curves, type Flow, type Spot, shorten } from "./flow_layout";
import { relative } from "./times";

interface Authority {
  did: string;
  title?: string;
}

function parsed<T>(text: string | null): T | null {
  try {
    return text ? (JSON.parse(text) as T) : null;
  } catch {
    return null;
  }
}

class HansaFlow extends LitElement {
  static override properties = {
    me: { converter: { fromAttribute: parsed } },
    authority: { converter: { fromAttribute: parsed } },
    flows: { converter: { fromAttribute: parsed } },
    membership: {},
    wide: { state: true },
  };

  declare me: { did: string; title: string; role: string } | null;
  declare authority: Authority | null;
  declare flows: Flow[] | null;
  declare membership: string;
  declare wide: number;

  private readonly watcher = new ResizeObserver(([entry]) => {
    this.wide = Math.round(entry?.contentRect.width ?? 800);
  });

  constructor() {
    super();
    this.wide = 800;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.watcher.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.watcher.disconnect();
  }

  static override styles = css`
    :host { display: block; }
    svg { display: block; width: 100%; background: var(--map-ground); border: 1px solid var(--line); }
    .grat { stroke: var(--line); stroke-width: 1; fill: none; }
    .tie { stroke: var(--line-strong); stroke-width: 1; stroke-dasharray: 1 5; stroke-linecap: round; fill: none; }
    .run { fill: none; stroke: var(--good); stroke-width: 2; }
    .run.wait { stroke: var(--wait); stroke-dasharray: 7 5; }
    .run.stop { stroke: var(--stop); stroke-dasharray: 2 6; }
    .run.over { stroke: var(--line-strong); }
    .tip { fill: none; stroke-width: 2; stroke: var(--good); }
    .tip.wait { stroke: var(--wait); }
    .tip.stop { stroke: var(--stop); }
    .tip.over { stroke: var(--line-strong); }
    .dot { fill: var(--good); }
    .town { fill: var(--map-ground); stroke: var(--ink); stroke-width: 1.5; stroke-linejoin: round; }
    .town.me { fill: var(--accent); stroke: var(--accent); }
    .town .door { fill: var(--map-ground); stroke: none; }
    text { font-family: var(--sans); fill: var(--ink); }
    .name { font-size: 14px; font-weight: 600; text-anchor: middle; }
    .role { font-size: 12px; fill: var(--muted); text-anchor: middle; }
    .what { font-size: 13px; text-anchor: middle; }
    .rate { fill: var(--muted); }
    .halo { paint-order: stroke; stroke: var(--map-ground); stroke-width: 5px; stroke-linejoin: round; }
  `;

  override render(): unknown {
    const { me } = this;
    if (!me) return nothing;
    const flows = this.flows ?? [];
    const spots = arrange(me, this.authority, flows, this.wide);
    const height = Math.max(...spots.map((s) => s.y)) + 64;
    const ties = spots.filter((s) => s.kind !== "authority");
    const partners = spots.filter((s) => s.kind === "other").length;
    const authority = spots.find((s) => s.kind === "authority");
    return html`<svg
      viewBox="0 0 ${this.wide} ${height}"
      height=${height}
      role="img"
      aria-label=${this.said(flows)}
    >
      ${grid(this.wide, height)}
      ${
        authority
          ? ties.map(
              (s) => svg`<path class="tie" d="M${authority.x} ${authority.y}L${s.x} ${s.y - 12}"/>`,
            )
          : nothing
      }
      ${curves(spots, flows).map((curve) => this.drawn(curve, partners))} ${spots.map((s) => town(s))}
    </svg>`;
  }

  private drawn(curve: ReturnType<typeof curves>[number], partners: number): SVGTemplateResult {
    const { flow, path, tone, labelX, labelY, tip } = curve;
    const still = lessMotion();
    const rate = flow.items_per_min ?? 0;
    const moves = tone === "good" && (rate > 0 || recent(flow));
    const seconds = Math.max(2, Math.min(12, 24 / (1 + rate)));
    const dots = moves ? [0, 1, 2].slice(0, rate > 5 ? 3 : rate > 1 ? 2 : 1) : [];
    return svg`
      <path class="run ${tone}" d=${path} />
      <path class="tip ${tone}" d="M-8 -5 0 0 -8 5" transform="translate(${tip.x} ${tip.y}) rotate(${tip.angle})"/>
      ${dots.map((i) =>
        still
          ? nothing
          : svg`<circle class="dot" r="4.5"><animateMotion dur="${seconds}s" begin="${-(i * seconds) / dots.length}s" repeatCount="indefinite" path=${path} /></circle>`,
      )}
      ${
        // Where there is no room for labels, the table below has them.
        this.wide < 600 || partners > 4
          ? nothing
          : svg`<text class="what halo" x=${labelX} y=${labelY}>
              <tspan>${shorten(flow.title, 34)}</tspan>
              <tspan class="rate" x=${labelX} dy="17">${rateText(flow)}</tspan>
            </text>`
      }`;
  }

  private said(flows: readonly Flow[]): string {
    if (flows.length === 0) return "The space. Nothing is moving.";
    const parts = flows.map((f) => `${f.title} from ${f.from.title} to ${f.to.title}`);
    return `The space, with ${flows.length} flows: ${parts.join("; ")}. The table below has the details.`;
  }
}

const RECENT_MS = 120_000;

/** Whether bytes moved in the last two minutes, by the page's own clock. */
function recent(flow: Flow): boolean {
  const at = Date.parse(flow.last_at ?? "");
  const now = Date.parse(document.documentElement.dataset.now ?? "") || Date.now();
  return !Number.isNaN(at) && Math.abs(now - at) < RECENT_MS;
}

function rateText(flow: Flow): string {
  const state = flow.state.toLowerCase();
  if (state.endsWith("terminated")) return "stopped";
  if (state.endsWith("suspended")) return "paused";
  if (state.endsWith("completed")) return "completed";
  if (flow.error) return "can't deliver";
  if (flow.items_per_min) return `${Number(flow.items_per_min.toFixed(1))} items per minute`;
  if (!flow.last_at) return "open, nothing moved yet";
  const now = Date.parse(document.documentElement.dataset.now ?? "") || Date.now();
  return `last item ${relative(Date.parse(flow.last_at), now)}`;
}

function grid(wide: number, height: number): SVGTemplateResult[] {
  const lines: SVGTemplateResult[] = [];
  for (let x = 80; x < wide; x += 80) lines.push(svg`<path class="grat" d="M${x} 0V${height}"/>`);
  for (let y = 80; y < height; y += 80) lines.push(svg`<path class="grat" d="M0 ${y}H${wide}"/>`);
  return lines;
}

const GABLE = "M-15 0V-17h4v-5h4v-5h4v-5h6v5h4v5h4v5h4v17z";
const TOWER = "M-11 0V-30h-3v-6h5v3h5v-3h8v3h5v-3h5v6h-3v30z";

function town(spot: Spot): SVGTemplateResult {
  const own = spot.kind === "me" ? "me" : "";
  const outline = spot.kind === "authority" || spot.role === "authority" ? TOWER : GABLE;
  const small =
    "M-29 0V-11h3v-4h3v-4h3v-3h5v3h3v4h3v15zM29 0V-11h-3v-4h-3v-4h-3v-3h-5v3h-3v4h-3v15z";
  return svg`<g transform="translate(${spot.x} ${spot.y})">
    ${outline === GABLE ? svg`<path class="town ${own}" d=${small} />` : nothing}
    <path class="town ${own}" d=${outline} />
    <text class="name halo" y="20">${shorten(spot.title, 28)}</text>
    <text class="role halo" y="37">${spot.note}</text>
  </g>`;
}

customElements.define("hansa-flow", HansaFlow);
