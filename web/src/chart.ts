/**
 * `<hansa-chart>`: the course of a value, drawn from the table that it holds.
 *
 * The light DOM holds a `<table>`: each row has a `<time datetime>` and a cell with
 * `data-value` (empty is a gap, and is drawn as one). Without scripts the table is the page.
 * Attributes: `heading`, `unit`, `zone` (IANA), `kind` (`step` or `line`), `labels`
 * (`derived`, `synthetic`: hatched and named). Events: `hansa-point` {at, value} when the
 * reading line moves. Keys: arrows, Home, End move the reading line.
 */
import {
  css,
  html,
  LitElement,
  nothing,
  type PropertyValues,
  type SVGTemplateResult,
  svg,
} from "lit";
import { absolute, bounds, number, offsetOf, ticks, timeTicks, zoneName } from "./scale";

interface Reading {
  at: number;
  value: number | null;
}

const HEIGHT = 260;
const BOTTOM = 34;
const RIGHT = 12;

class HansaChart extends LitElement {
  static override properties = {
    heading: {},
    unit: {},
    zone: {},
    kind: {},
    labels: {},
    wide: { state: true },
    chosen: { state: true },
    readings: { state: true },
  };

  declare heading: string;
  declare unit: string;
  declare zone: string;
  declare kind: string;
  declare labels: string;
  declare wide: number;
  declare chosen: number | null;
  declare readings: Reading[];

  private readonly watcher = new ResizeObserver(([entry]) => {
    this.wide = Math.round(entry?.contentRect.width ?? 800);
  });

  constructor() {
    super();
    this.heading = "";
    this.unit = "";
    this.zone = "UTC";
    this.kind = "step";
    this.labels = "";
    this.wide = 800;
    this.chosen = null;
    this.readings = [];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.readings = read(this);
    this.watcher.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.watcher.disconnect();
  }

  static override styles = css`
    :host { display: block; }
    svg { display: block; width: 100%; overflow: visible; touch-action: pan-y; }
    svg:focus-visible { outline: 2px solid var(--accent); outline-offset: 4px; }
    text { font: 12px var(--sans); fill: var(--muted); font-variant-numeric: tabular-nums; }
    .axis-title { font-weight: 560; fill: var(--ink); font-size: 13px; }
    .grid { stroke: var(--line); fill: none; }
    .base { stroke: var(--line-strong); fill: none; }
    .run { fill: none; stroke: var(--accent); stroke-width: 1.75; stroke-linejoin: round; }
    .under { fill: color-mix(in srgb, var(--accent) 14%, transparent); }
    .under.hatched { fill: url(#hatch); }
    .hatch { stroke: color-mix(in srgb, var(--accent) 42%, transparent); stroke-width: 1; }
    .gap { fill: var(--sunk); }
    .now { stroke: var(--ink); stroke-width: 1; }
    .dot { fill: var(--accent); stroke: var(--ground); stroke-width: 2; }
    .read { font-size: 13px; font-weight: 600; fill: var(--ink); paint-order: stroke; stroke: var(--ground); stroke-width: 5px; }
    .tag { fill: var(--ink); }
  `;

  /** Where the drawing begins: below the heading, and below the notes on a narrow chart. */
  private get top(): number {
    return this.wide < 640 ? 52 : 34;
  }

  private get left(): number {
    return this.wide < 480 ? 40 : 52;
  }

  private x(at: number): number {
    const [a, b] = this.span();
    return this.left + ((at - a) / (b - a || 1)) * (this.wide - this.left - RIGHT);
  }

  private span(): [number, number] {
    return [this.readings[0]?.at ?? 0, this.readings.at(-1)?.at ?? 1];
  }

  override updated(changed: PropertyValues): void {
    if (!changed.has("chosen") || this.chosen === null) return;
    const reading = this.readings[this.chosen];
    if (reading) {
      this.dispatchEvent(
        new CustomEvent("hansa-point", {
          bubbles: true,
          detail: { at: new Date(reading.at).toISOString(), value: reading.value },
        }),
      );
    }
  }

  override render(): unknown {
    const values = this.readings.flatMap((r) => (r.value === null ? [] : [r.value]));
    if (values.length < 2) return html`<slot></slot>`;
    const [low, high] = bounds(values);
    const y = (v: number): number =>
      HEIGHT - BOTTOM - ((v - low) / (high - low)) * (HEIGHT - this.top - BOTTOM);
    const chosen = this.chosen === null ? null : this.readings[this.chosen];
    const said = chosen ? this.said(chosen) : this.summary(values);
    return html`<svg
        viewBox="0 0 ${this.wide} ${HEIGHT}"
        height=${HEIGHT}
        role="slider"
        tabindex="0"
        aria-label="${this.heading}: reading line"
        aria-orientation="horizontal"
        aria-valuemin="0"
        aria-valuemax=${this.readings.length - 1}
        aria-valuenow=${this.chosen ?? this.readings.length - 1}
        aria-valuetext=${said}
        @keydown=${this.onKey}
        @pointermove=${this.onPointer}
        @pointerdown=${this.onPointer}
        @pointerleave=${this.leave}
        @blur=${this.leave}
      >
        <defs>
          <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <path class="hatch" d="M0 0V6" />
          </pattern>
        </defs>
        ${this.axes(low, high, y)} ${this.course(low, y)} ${chosen ? this.reading(chosen, y) : nothing}
      </svg>
      <slot></slot>`;
  }

  private axes(low: number, high: number, y: (v: number) => number): SVGTemplateResult {
    const [a, b] = this.span();
    const offset = offsetOf(a, this.zone);
    const days = b - a > 30 * 3_600_000;
    const notes = [...this.labels.split(" "), zoneName(a, this.zone)].filter(Boolean).join(", ");
    return svg`
      <text class="axis-title" x="0" y="14">${this.heading}${this.unit ? `, ${this.unit}` : ""}</text>
      <text class="tag" x=${this.wide < 640 ? 0 : this.wide - RIGHT} y=${this.wide < 640 ? 32 : 14} text-anchor=${this.wide < 640 ? "start" : "end"}>${notes}</text>
      ${ticks(low, high, 4).map(
        (
          v,
        ) => svg`<path class=${v === low ? "base" : "grid"} d="M${this.left} ${y(v)}H${this.wide - RIGHT}" />
          <text x=${this.left - 8} y=${y(v) + 4} text-anchor="end">${number(v)}</text>`,
      )}
      ${timeTicks(a, b, Math.max(2, Math.floor(this.wide / 104)), offset).map((t) => {
        const midnight = absolute(t, this.zone, "clock") === "00:00";
        const text =
          midnight || b - a > 6 * 86_400_000
            ? absolute(t, this.zone, "short").split(",")[0]
            : absolute(t, this.zone, "clock");
        return svg`<path class="base" d="M${this.x(t)} ${HEIGHT - BOTTOM}v5" />
          <text class=${midnight && days ? "tag" : ""} x=${this.x(t)} y=${HEIGHT - BOTTOM + 20} text-anchor="middle">${text}</text>`;
      })}`;
  }

  private course(low: number, y: (v: number) => number): SVGTemplateResult {
    const base = y(Math.max(low, 0));
    const hatched = /synthetic|forecast|scenario/.test(this.labels);
    const runs: SVGTemplateResult[] = [];
    let part: Reading[] = [];
    const stepMs = this.step();
    const close = (until: number): void => {
      if (part.length) {
        const line = this.line(part, until, y);
        const first = this.x((part[0] as Reading).at);
        const last = this.x(this.kind === "step" ? until : (part.at(-1) as Reading).at);
        runs.push(svg`<path class="under ${hatched ? "hatched" : ""}" d="${line}L${last} ${base}L${first} ${base}Z" />
          <path class="run" d=${line} />`);
      }
      part = [];
    };
    const end = this.span()[1];
    this.readings.forEach((reading, i) => {
      if (reading.value === null) {
        close(reading.at);
        const next = Math.min(this.readings[i + 1]?.at ?? reading.at + stepMs, end);
        runs.push(
          svg`<rect class="gap" x=${this.x(reading.at)} y=${this.top} width=${Math.max(0, this.x(next) - this.x(reading.at))} height=${HEIGHT - this.top - BOTTOM} />`,
        );
        return;
      }
      const before = part.at(-1);
      if (before && reading.at - before.at > stepMs * 3)
        close(Math.min(before.at + stepMs, reading.at));
      part.push(reading);
    });
    close(end);
    return svg`${runs}`;
  }

  /** The usual distance of two readings: the median. */
  private step(): number {
    const gaps = this.readings.slice(1).map((r, i) => r.at - (this.readings[i] as Reading).at);
    return gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 900_000;
  }

  private line(part: readonly Reading[], until: number, y: (v: number) => number): string {
    const r = (n: number): string => n.toFixed(1);
    const spots = part.map((p) => [r(this.x(p.at)), r(y(p.value as number))] as const);
    const [head, ...rest] = spots;
    if (!head) return "";
    if (this.kind !== "step")
      return `M${head.join(" ")}${rest.map((s) => `L${s.join(" ")}`).join("")}`;
    return `M${head.join(" ")}${rest.map(([px, py]) => `H${px}V${py}`).join("")}H${r(this.x(until))}`;
  }

  private reading(chosen: Reading, y: (v: number) => number): SVGTemplateResult {
    const x = this.x(chosen.at);
    const side = x > this.wide / 2 ? "end" : "start";
    return svg`<path class="now" d="M${x} ${this.top - 8}V${HEIGHT - BOTTOM}" />
      ${chosen.value === null ? nothing : svg`<circle class="dot" cx=${x} cy=${y(chosen.value)} r="5" />`}
      <text class="read" x=${x + (side === "end" ? -8 : 8)} y=${this.top + 4} text-anchor=${side}>${this.said(chosen)}</text>`;
  }

  private said(reading: Reading): string {
    const value =
      reading.value === null ? "no value" : `${number(reading.value)} ${this.unit}`.trim();
    return `${value}, ${absolute(reading.at, this.zone, "short")}`;
  }

  private summary(values: readonly number[]): string {
    const gaps = this.readings.length - values.length;
    return `${this.readings.length} values from ${number(Math.min(...values))} to ${number(Math.max(...values))} ${this.unit}${gaps ? `, ${gaps} missing` : ""}`;
  }

  private leave(): void {
    this.chosen = null;
  }

  private onPointer(event: PointerEvent): void {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    const [a, b] = this.span();
    const share = (event.clientX - box.left - this.left) / (box.width - this.left - RIGHT);
    const at = a + Math.max(0, Math.min(1, share)) * (b - a);
    let best = 0;
    this.readings.forEach((reading, i) => {
      if (reading.at <= at) best = i;
    });
    this.chosen = best;
  }

  private onKey(event: KeyboardEvent): void {
    const last = this.readings.length - 1;
    const from = this.chosen ?? last;
    const moves: Record<string, number> = {
      ArrowLeft: from - 1,
      ArrowDown: from - 1,
      ArrowRight: from + 1,
      ArrowUp: from + 1,
      PageDown: from - Math.ceil(last / 12),
      PageUp: from + Math.ceil(last / 12),
      Home: 0,
      End: last,
    };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.chosen = Math.max(0, Math.min(last, to));
  }
}

function read(host: Element): Reading[] {
  const found: Reading[] = [];
  for (const row of host.querySelectorAll("tbody tr")) {
    const at = Date.parse(row.querySelector("time")?.dateTime ?? "");
    const text = row.querySelector<HTMLElement>("[data-value]")?.dataset.value ?? "";
    if (!Number.isNaN(at)) found.push({ at, value: text === "" ? null : Number(text) });
  }
  return found.sort((a, b) => a.at - b.at);
}

customElements.define("hansa-chart", HansaChart);
