/**
 * `<hansa-time-slider>`: choose an instant of a span, play it, or follow the present.
 *
 * Attributes: `start`, `end` (ISO 8601), `step` (seconds), `value` (ISO; absent: live), `zone`.
 * Events: `hansa-time` {at: ISO string or null when live}. The handle is a plain range input, so
 * every key of one works; the text it announces is the instant in the zone. A span of more than two
 * days can be looked at by day, by week, or whole; steps grow with it.
 */
import { css, html, LitElement, nothing, svg } from "lit";
import { lessMotion } from "./colours";
import { absolute, offsetOf, snap, timeTicks } from "./scale";
import { isLong, type Range, type Span, stepOf, windowOf } from "./span";

const FRAME_MS = 350;
const RANGES: readonly (readonly [Range, string])[] = [
  ["day", "A day"],
  ["week", "A week"],
  ["all", "Everything"],
];

class HansaTimeSlider extends LitElement {
  static override properties = {
    start: {},
    end: {},
    step: { type: Number },
    value: {},
    zone: {},
    playing: { state: true },
    range: { state: true },
    anchor: { state: true },
    wide: { state: true },
  };

  declare start: string;
  declare end: string;
  declare step: number;
  declare value: string | null;
  declare zone: string;
  declare playing: boolean;
  declare range: Range;
  declare anchor: number | null;
  declare wide: number;

  private timer = 0;
  private readonly watcher = new ResizeObserver(([entry]) => {
    this.wide = Math.round(entry?.contentRect.width ?? 600);
  });

  constructor() {
    super();
    this.start = "";
    this.end = "";
    this.step = 900;
    this.value = null;
    this.zone = "UTC";
    this.playing = false;
    this.range = "day";
    this.anchor = null;
    this.wide = 600;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.watcher.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.watcher.disconnect();
    window.clearInterval(this.timer);
  }

  static override styles = css`
    :host { display: block; }
    .line { display: flex; align-items: center; gap: 8px; flex-wrap: wrap; }
    button {
      min-height: 32px; min-width: 32px; padding: 3px 10px; cursor: pointer;
      border: 1px solid var(--line-strong); border-radius: var(--radius);
      background: var(--paper); color: var(--ink); font: 560 var(--s1) / 1.4 var(--sans);
    }
    select {
      min-height: 32px; padding: 3px 8px; border: 1px solid var(--line-strong); border-radius: var(--radius);
      background: var(--paper); color: var(--ink); font: 500 var(--s1) / 1.4 var(--sans);
    }
    select:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
    button:hover { border-color: var(--ink); }
    button[aria-pressed="true"] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
    button:focus-visible, input:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
    output { font: 600 var(--s2) / 1.4 var(--sans); font-variant-numeric: tabular-nums; margin-right: auto; }
    input { width: 100%; height: 28px; margin: 4px 0 0; accent-color: var(--accent); }
    svg { display: block; width: 100%; height: 18px; overflow: visible; }
    svg path { stroke: var(--line-strong); fill: none; }
    svg text { font: 11px var(--sans); fill: var(--muted); text-anchor: middle; font-variant-numeric: tabular-nums; }
    .sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  `;

  /** The whole span, and the part of it that the handle moves in now. */
  private get span(): Span {
    const from = Date.parse(this.start);
    return { from, to: Math.max(Date.parse(this.end), from + this.step * 1000) };
  }

  private get window(): Span {
    const range = isLong(this.span) ? this.range : "all";
    const offset = offsetOf(this.span.from, this.zone);
    return windowOf(range, this.span, this.anchor ?? this.span.to, this.step * 1000, offset);
  }

  private get now(): number {
    return this.value ? Date.parse(this.value) : this.span.to;
  }

  private get from(): number {
    return this.window.from;
  }

  private get to(): number {
    return this.window.to;
  }

  private get stepMs(): number {
    return stepOf(this.window, this.step * 1000);
  }

  private get at(): number {
    return this.value ? Date.parse(this.value) : this.to;
  }

  /** A time outside the window, played to or given by a link, moves the window. */
  override willUpdate(): void {
    const { from, to } = this.window;
    if (this.value && (this.now < from || this.now > to)) this.anchor = this.now;
  }

  override render(): unknown {
    const text = this.value
      ? absolute(this.at, this.zone)
      : `Now, ${absolute(this.span.to, this.zone)}`;
    const pad = 8;
    const x = (t: number): number =>
      pad + ((t - this.from) / (this.to - this.from)) * (this.wide - 2 * pad);
    const marks = timeTicks(
      this.from,
      this.to,
      Math.max(2, Math.floor(this.wide / 76)),
      offsetOf(this.from, this.zone),
    );
    return html`
      <div class="line">
        <output aria-hidden="true">${text}</output>
        <button type="button" @click=${() => this.move(-1)} aria-label="One step back">◂</button>
        <button type="button" @click=${this.play} aria-pressed=${this.playing}>${this.playing ? "Pause" : "Play"}</button>
        <button type="button" @click=${() => this.move(1)} aria-label="One step on">▸</button>
        <button type="button" @click=${this.live} aria-pressed=${!this.value}>Live</button>
        ${
          isLong(this.span)
            ? html`
                <select aria-label="Span shown" .value=${this.range} @change=${this.onRange}>
                  ${RANGES.map(([key, word]) => html`<option value=${key} ?selected=${key === this.range}>${word}</option>`)}
                </select>`
            : nothing
        }
      </div>
      <label><span class="sr">Time shown on the map</span>
        <input type="range" min=${this.from} max=${this.to} step=${this.stepMs} .value=${String(this.at)}
          aria-valuetext=${text} @input=${this.onInput} />
      </label>
      <svg aria-hidden="true" viewBox="0 0 ${this.wide} 18">
        ${marks.map((t) => {
          const clock = absolute(t, this.zone, "clock");
          const label = clock === "00:00" ? absolute(t, this.zone, "short").split(",")[0] : clock;
          return svg`<path d="M${x(t)} 0v4" /><text x=${x(t)} y="15">${label}</text>`;
        })}
      </svg>`;
  }

  private tell(): void {
    this.dispatchEvent(
      new CustomEvent("hansa-time", { bubbles: true, composed: true, detail: { at: this.value } }),
    );
  }

  private choose(at: number): void {
    const { from, to } = this.span;
    const bound = Math.max(from, Math.min(to, at));
    this.value = bound >= to ? null : new Date(bound).toISOString();
    this.tell();
  }

  private onInput(event: Event): void {
    this.stop();
    const raw = Number((event.target as HTMLInputElement).value);
    this.choose(snap(raw, this.from, this.stepMs));
  }

  private move(steps: number): void {
    this.stop();
    this.choose(this.at + steps * this.stepMs);
  }

  private onRange(event: Event): void {
    this.stop();
    this.anchor = this.now;
    this.range = (event.target as HTMLSelectElement).value as Range;
  }

  private live(): void {
    this.stop();
    this.value = null;
    this.anchor = null;
    this.tell();
  }

  private stop(): void {
    window.clearInterval(this.timer);
    this.playing = false;
  }

  private play(): void {
    if (this.playing) {
      this.stop();
      return;
    }
    this.playing = true;
    if (!this.value) this.choose(this.from);
    const frames = lessMotion() ? 4 : 1;
    this.timer = window.setInterval(() => {
      this.choose(this.at + this.stepMs * frames);
      if (!this.value) this.stop();
    }, FRAME_MS * frames);
  }
}

customElements.define("hansa-time-slider", HansaTimeSlider);
