/** The map's data as the management API gives it, and pure arithmetic on it. */

export interface LayerAttribute {
  name: string;
  unit: string | null;
  title: string;
  min: number | null;
  max: number | null;
}

export interface LayerSpec {
  id: string;
  title: string;
  kind: "own" | "received";
  url: string;
  geometry: "polygon" | "point";
  attribute: LayerAttribute | null;
  labels: string[];
  publisher: string | { did: string; title: string } | null;
  terms: string | null;
  extrude: { height: string } | null;
  stopped: string | null;
  area?: string | null;
  transfer_id?: string | null;
}

export interface MapSpec {
  bbox: [number, number, number, number] | null;
  attribution: string[];
  layers: LayerSpec[];
  tiles: { url: string; attribution?: string } | null;
  time: { start: string; end: string; step_s: number } | null;
}

export interface Feature {
  type: "Feature";
  id?: string | number;
  geometry: { type: string; coordinates: unknown } | null;
  properties: Record<string, unknown>;
}

export interface Collection {
  type: "FeatureCollection";
  features: Feature[];
}

export interface Scale {
  key: string;
  title: string;
  unit: string;
  low: number;
  high: number;
  /** Set when few values are large and most small: steps then grow, from about this size on. */
  knee: number | null;
}

const SKEWED = 6;

/** Where a value stands on its scale, from 0 to 1. */
export function placeOn(scale: Scale, value: number): number {
  const span = scale.high - scale.low;
  const share = Math.max(0, Math.min(span, value - scale.low));
  if (scale.knee === null) return share / span;
  return Math.log1p(share / scale.knee) / Math.log1p(span / scale.knee);
}

/** The value at a place on a scale: the reverse of `placeOn`. */
export function valueAt(scale: Scale, place: number): number {
  const span = scale.high - scale.low;
  if (scale.knee === null) return scale.low + place * span;
  return scale.low + scale.knee * Math.expm1(place * Math.log1p(span / scale.knee));
}

function kneeOf(scale: Scale, values: readonly number[]): number | null {
  const sorted = values.map((v) => v - scale.low).sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const span = scale.high - scale.low;
  return middle > 0 && span / middle > SKEWED ? middle : null;
}

/** The id under which a feature is known: its property `id`, else its GeoJSON id. */
export function featureId(feature: Feature): string {
  return String(feature.properties.id ?? feature.id ?? "");
}

/** What to call a feature: its title or name, else the end of its id. */
export function featureTitle(feature: Feature): string {
  const given = feature.properties.title ?? feature.properties.name;
  if (typeof given === "string" && given) return given;
  const id = featureId(feature);
  return id.slice(id.lastIndexOf(":") + 1) || id;
}

/** The value of a layer's attribute in a feature; null when there is none. */
export function valueIn(feature: Feature, attribute: LayerAttribute | null): number | null {
  if (!attribute) return null;
  const value = feature.properties[attribute.name];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/**
 * Bring a description into the form that is drawn: buildings coloured only by the height that
 * they rise to anyway are the base of the map, not a data layer.
 */
export function prepared(spec: MapSpec): MapSpec {
  return {
    ...spec,
    layers: spec.layers.map((layer) =>
      layer.attribute && layer.extrude && layer.attribute.name === layer.extrude.height
        ? { ...layer, attribute: null }
        : layer,
    ),
  };
}

/** The property that holds the height to draw, in metres. */
export const HEIGHT = "hansa_height";
const LOW_M = 5;

/** How high the buildings of the base layers are, by id. */
export function heights(
  layers: readonly LayerSpec[],
  data: ReadonlyMap<string, Collection>,
): Map<string, number> {
  const found = new Map<string, number>();
  for (const layer of layers) {
    if (!layer.extrude) continue;
    for (const feature of data.get(layer.id)?.features ?? []) {
      const height = feature.properties[layer.extrude.height];
      if (typeof height === "number") found.set(featureId(feature), height);
    }
  }
  return found;
}

/** The building that a feature is in: its relationship `refBuilding`, else itself. */
export function buildingOf(feature: Feature): string {
  const reference = feature.properties.refBuilding;
  return typeof reference === "string" ? reference : featureId(feature);
}

/** Give each feature the height of its own, of its building, or a low one. */
export function raised(
  layer: LayerSpec,
  data: Collection,
  known: ReadonlyMap<string, number>,
): Collection {
  return {
    type: "FeatureCollection",
    features: data.features.map((feature) => {
      const own = layer.extrude ? feature.properties[layer.extrude.height] : null;
      const height = typeof own === "number" ? own : (known.get(buildingOf(feature)) ?? LOW_M);
      return {
        ...feature,
        properties: { ...feature.properties, id: featureId(feature), [HEIGHT]: height },
      };
    }),
  };
}

/**
 * One scale per attribute and unit, so that own and received values have comparable colours. It
 * only grows while the page is open, so that instants stay comparable too.
 */
export function scales(
  layers: readonly LayerSpec[],
  data: ReadonlyMap<string, Collection>,
  before: ReadonlyMap<string, Scale> = new Map(),
): Map<string, Scale> {
  const found = new Map<string, Scale>();
  const pooled = new Map<string, number[]>();
  for (const layer of layers) {
    const { attribute } = layer;
    if (!attribute) continue;
    const key = `${attribute.name} ${attribute.unit ?? ""}`;
    const values = (data.get(layer.id)?.features ?? []).flatMap((f) => valueIn(f, attribute) ?? []);
    const old = before.get(key);
    const scale: Scale = found.get(key) ?? {
      key,
      title: attribute.title,
      unit: attribute.unit ?? "",
      low: old?.low ?? Number.POSITIVE_INFINITY,
      high: old?.high ?? Number.NEGATIVE_INFINITY,
      knee: old?.knee ?? null,
    };
    const bounds = values.length ? [attribute.min, attribute.max] : [];
    for (const value of [...values, ...bounds]) {
      if (typeof value !== "number") continue;
      scale.low = Math.min(scale.low, value);
      scale.high = Math.max(scale.high, value);
    }
    found.set(key, scale);
    pooled.set(key, [...(pooled.get(key) ?? []), ...values]);
  }
  for (const scale of found.values()) {
    if (!Number.isFinite(scale.low)) scale.low = 0;
    if (scale.low > 0 && scale.low < scale.high / 4) scale.low = 0;
    if (!(scale.high > scale.low)) scale.high = scale.low + 1;
    if (!before.has(scale.key)) scale.knee = kneeOf(scale, pooled.get(scale.key) ?? []);
  }
  return found;
}

/** The scale of a layer. */
export function scaleOf(layer: LayerSpec, all: ReadonlyMap<string, Scale>): Scale | undefined {
  if (!layer.attribute) return undefined;
  return all.get(`${layer.attribute.name} ${layer.attribute.unit ?? ""}`);
}

/** Read the rings of a WKT polygon or multipolygon as GeoJSON. */
export function areaOf(wkt: string): Feature | null {
  const rings = [...wkt.matchAll(/\(([^()]+)\)/g)].map((match) =>
    (match[1] as string).split(",").map((pair) => pair.trim().split(/\s+/).slice(0, 2).map(Number)),
  );
  const fine = rings.filter((r) => r.length >= 4 && r.every((p) => p.every(Number.isFinite)));
  if (fine.length === 0) return null;
  return {
    type: "Feature",
    geometry: { type: "MultiPolygon", coordinates: fine.map((ring) => [ring]) },
    properties: {},
  };
}

/** All positions of a geometry, at most a few thousand. */
export function positions(
  geometry: Feature["geometry"],
  found: [number, number][] = [],
): [number, number][] {
  const walk = (part: unknown): void => {
    if (!Array.isArray(part) || found.length > 5000) return;
    if (typeof part[0] === "number" && typeof part[1] === "number") found.push([part[0], part[1]]);
    else for (const inner of part) walk(inner);
  };
  walk(geometry?.coordinates);
  return found;
}

/** The middle of a geometry's bounding box. */
export function middle(geometry: Feature["geometry"]): [number, number] | null {
  const all = positions(geometry);
  if (all.length === 0) return null;
  const xs = all.map((p) => p[0]);
  const ys = all.map((p) => p[1]);
  return [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
}

/** The bounds of several collections; null when there is nothing. */
export function boundsOf(
  collections: Iterable<Collection>,
): [number, number, number, number] | null {
  let [w, s, e, n] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const collection of collections) {
    for (const feature of collection.features) {
      for (const [x, y] of positions(feature.geometry, [])) {
        w = Math.min(w, x);
        e = Math.max(e, x);
        s = Math.min(s, y);
        n = Math.max(n, y);
      }
    }
  }
  return Number.isFinite(w) ? [w, s, e, n] : null;
}

/** The address of a layer's state at an instant. */
export function layerUrl(layer: LayerSpec, at: string | null): string {
  if (!at || !layer.attribute) return layer.url;
  return `${layer.url}${layer.url.includes("?") ? "&" : "?"}at=${encodeURIComponent(at)}`;
}

export interface View {
  at: string | null;
  lon?: number;
  lat?: number;
  zoom?: number;
  pitch?: number;
  bearing?: number;
  off: string[];
}

/** Write a view into the part of an address after `#`. */
export function writeView(view: View): string {
  const query = new URLSearchParams();
  if (view.at) query.set("at", view.at);
  if (view.lon !== undefined && view.lat !== undefined) {
    query.set("c", `${view.lon.toFixed(5)},${view.lat.toFixed(5)}`);
  }
  if (view.zoom !== undefined) query.set("z", view.zoom.toFixed(2));
  if (view.pitch) query.set("p", view.pitch.toFixed(0));
  if (view.bearing) query.set("b", view.bearing.toFixed(0));
  if (view.off.length) query.set("off", view.off.join(","));
  return query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

/** Read a view from the part of an address after `#`; what cannot be read is left out. */
export function readView(hash: string): View {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const at = query.get("at");
  const view: View = {
    at: at && !Number.isNaN(Date.parse(at)) ? at : null,
    off: (query.get("off") ?? "").split(",").filter(Boolean),
  };
  const [lon, lat] = (query.get("c") ?? "").split(",").map(Number);
  if (query.has("c") && Number.isFinite(lon) && Number.isFinite(lat)) {
    view.lon = lon;
    view.lat = lat;
  }
  for (const [key, name] of [
    ["z", "zoom"],
    ["p", "pitch"],
    ["b", "bearing"],
  ] as const) {
    const value = Number(query.get(key) ?? Number.NaN);
    if (query.has(key) && Number.isFinite(value)) view[name] = value;
  }
  return view;
}
