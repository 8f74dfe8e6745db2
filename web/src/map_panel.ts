/** Beside the map: layers with their terms, legends with units, and the table of values. */
import { html, nothing, render, svg, type TemplateResult } from "lit";
import { isDark } from "./colours";
import {
  type Collection,
  type Feature,
  featureId,
  featureTitle,
  type LayerSpec,
  type MapSpec,
  type Scale,
  scaleOf,
  valueAt,
  valueIn,
} from "./map_model";
import { steps } from "./map_style";
import { absolute, number } from "./scale";

const ROWS_MAX = 200;

/** Who a layer comes from, in a word. */
function origin(layer: LayerSpec): string {
  if (layer.kind === "own") return "own data";
  const { publisher } = layer;
  const name = typeof publisher === "string" ? publisher : publisher?.title;
  return name ? `received from ${name}` : "received";
}

function labels(layer: LayerSpec): TemplateResult[] {
  return layer.labels.map((label) => html` <span class="label ${label}">${label}</span>`);
}

function swatch(layer: LayerSpec): TemplateResult {
  const colours = steps(isDark());
  const inside = layer.attribute ? (colours[4] as string) : "var(--map-house)";
  return html`<svg class="swatch" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
    ${
      layer.geometry === "point"
        ? svg`<circle class=${layer.kind} cx="10" cy="10" r="7" fill=${inside} />`
        : svg`<rect class=${layer.kind} x="2.500" y="2.500" width="15" height="15" fill=${inside} />`
    }
  </svg>`;
}

/** What the parts beside the map are drawn from. */
export interface PanelHost {
  readonly spec: MapSpec | null;
  readonly data: ReadonlyMap<string, Collection>;
  readonly scales: ReadonlyMap<string, Scale>;
  readonly at: string | null;
  readonly off: ReadonlySet<string>;
  readonly refused: ReadonlyMap<string, string>;
  readonly chosen: { layer: string; id: string } | null;
  readonly zone: string;
  readonly entityBase: string;
  readonly transferBase: string;
  shown(): LayerSpec[];
}

/** The list of layers with a switch each. */
export function layerList(host: PanelHost, toggle: (id: string) => void): TemplateResult {
  const layers = host.spec?.layers ?? [];
  return html`<section aria-labelledby="layers-h">
    <h2 id="layers-h">Layers</h2>
    <ul class="layers">
      ${layers.map((layer) => {
        const refusal = host.refused.get(layer.id) ?? layer.stopped;
        return html`<li class=${refusal ? "refused" : ""}>
          <label class="layer">
            <input type="checkbox" .checked=${!host.off.has(layer.id)} @change=${() => toggle(layer.id)} />
            ${swatch(layer)}
            <span><span class="layer-title">${layer.title}</span> <span class="quiet">${origin(layer)}</span>${labels(layer)}</span>
          </label>
          ${layer.terms && !refusal ? html`<details class="layer-terms"><summary>Under a contract</summary><p>${layer.terms}</p></details>` : nothing}
          ${
            host.data.get(layer.id)?.features.length === 0 && !refusal
              ? html`<p class="layer-note">Nothing to draw: it has no places at this time.</p>`
              : nothing
          }
          ${
            refusal
              ? html`<div class="layer-refusal" role="status">
                  <p><svg class="shape stop" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true"><path d="M1 1h10v10H1z" /><path class="cut" d="M3.500 6h5" /></svg>
                  <strong>Stopped.</strong> ${refusal}</p>
                  ${layer.transfer_id ? html`<p><a href="${host.transferBase}${encodeURIComponent(layer.transfer_id)}">Its transfer</a></p>` : nothing}
                </div>`
              : nothing
          }
        </li>`;
      })}
    </ul>
  </section>`;
}

/** Two significant figures are enough between the ends of a legend. */
function round(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(2));
}

/** One legend per scale, with its unit. */
export function legend(host: PanelHost): TemplateResult | typeof nothing {
  const drawn = host.shown().filter((layer) => host.data.get(layer.id)?.features.length);
  const used = new Set(drawn.map((layer) => scaleOf(layer, host.scales)?.key));
  const all = [...host.scales.values()].filter((scale) => used.has(scale.key));
  if (all.length === 0) return nothing;
  const colours = steps(isDark());
  return html`<section aria-labelledby="legend-h">
    <h2 id="legend-h" class="sr">Legend</h2>
    ${all.map(
      (scale) => html`<figure class="legend">
        <figcaption>${scale.title}${scale.unit ? `, ${scale.unit}` : ""}</figcaption>
        <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
          ${colours.map((colour, i) => svg`<rect x=${(i * 100) / colours.length} width=${100 / colours.length + 0.2} height="10" fill=${colour} />`)}
        </svg>
        <p class="legend-ends">${[0, 1 / 3, 2 / 3, 1].map((place) => html`<span>${number(round(valueAt(scale, place)))}</span>`)}</p>
      </figure>`,
    )}
    ${
      host.shown().some((layer) => layer.area)
        ? html`<p class="legend-area"><svg viewBox="0 0 28 20" width="28" height="20" aria-hidden="true"><path class="lines" d="M2 18 14 2M10 18 22 2M18 18 26 7M2 8 7 2" /><rect class="edge" x="2" y="2" width="24" height="16" /></svg>Area of a contract: only what lies inside is received.</p>`
        : nothing
    }
  </section>`;
}

/** The values on the map as a table; a row chooses its feature. */
export function table(
  host: PanelHost,
  choose: (layer: string, feature: Feature) => void,
): TemplateResult {
  const layers = host.shown().filter((layer) => layer.attribute && !host.refused.has(layer.id));
  const rows = layers
    .flatMap((layer) =>
      (host.data.get(layer.id)?.features ?? []).map((feature) => ({
        layer,
        feature,
        value: valueIn(feature, layer.attribute),
      })),
    )
    .filter((row) => row.value !== null)
    .sort((a, b) => (b.value ?? -Infinity) - (a.value ?? -Infinity));
  const when = host.at ? absolute(Date.parse(host.at), host.zone) : "now";
  return html`<section aria-labelledby="values-h" class="map-values">
    <h2 id="values-h">Values ${when}</h2>
    ${
      rows.length === 0
        ? html`<p class="quiet">No value at this time.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="Table of values ${when}">
            <table>
              <thead><tr><th scope="col">Place</th><th scope="col" class="num">Value</th></tr></thead>
              <tbody>
                ${rows.slice(0, ROWS_MAX).map(({ layer, feature, value }) => {
                  const id = featureId(feature);
                  const chosen = host.chosen?.layer === layer.id && host.chosen.id === id;
                  return html`<tr class=${chosen ? "chosen" : ""}>
                    <th scope="row"><button type="button" class="place" aria-pressed=${chosen} @click=${() => choose(layer.id, feature)}>${featureTitle(feature)}</button>${layer.kind === "received" ? html` <span class="quiet">received</span>` : nothing}</th>
                    <td class="num">${number(value)} ${layer.attribute?.unit ?? ""}</td>
                  </tr>`;
                })}
              </tbody>
            </table>
          </div>
          ${rows.length > ROWS_MAX ? html`<p class="quiet">The ${ROWS_MAX} largest of ${number(rows.length)}.</p>` : nothing}`
    }
  </section>`;
}

/** The content of a popup. */
export function card(host: PanelHost, layer: LayerSpec, feature: Feature): HTMLElement {
  const holder = document.createElement("div");
  holder.className = "map-card";
  const observed = feature.properties.observedAt;
  const at = typeof observed === "string" ? Date.parse(observed) : Number.NaN;
  const value = valueIn(feature, layer.attribute);
  render(
    html`<p class="map-card-title">${featureTitle(feature)}</p>
      <p class="map-card-value">${number(value)} <span>${layer.attribute?.unit ?? ""}</span></p>
      <p class="quiet">${layer.attribute?.title ?? ""}${Number.isNaN(at) ? "" : `, ${absolute(at, host.zone)}`}</p>
      <p class="quiet">${origin(layer)}${labels(layer)}</p>
      <p><a href="${host.entityBase}${encodeURIComponent(featureId(feature))}">All its values</a></p>`,
    holder,
  );
  return holder;
}
