/** The look of the map: a muted base of the city's own buildings, data in even colours. */
import type {
  ExpressionSpecification,
  Map as GLMap,
  LayerSpecification,
  StyleSpecification,
} from "maplibre-gl";
import { isDark, SEQUENCE, token } from "./colours";
import { HEIGHT, type LayerSpec, type MapSpec, type Scale, valueAt } from "./map_model";

export const HATCH = "hatch";

export interface Palette {
  ground: string;
  house: string;
  houseLine: string;
  houseHigh: string;
  accent: string;
  ink: string;
  dark: boolean;
}

/** Read the palette from the tokens of the page. */
export function palette(): Palette {
  return {
    ground: token("--map-ground"),
    house: token("--map-house"),
    houseLine: token("--map-house-line"),
    houseHigh: token("--map-house-high"),
    accent: token("--accent"),
    ink: token("--ink"),
    dark: isDark(),
  };
}

/** The steps of the scale: more is darker on a light ground and lighter on a dark one. */
export function steps(dark: boolean): string[] {
  return dark ? [...SEQUENCE].reverse() : [...SEQUENCE];
}

/** An empty style: ground, and the tile server when one is set. */
export function baseStyle(spec: MapSpec, colours: Palette): StyleSpecification {
  const style: StyleSpecification = {
    version: 8,
    sources: {},
    layers: [{ id: "ground", type: "background", paint: { "background-color": colours.ground } }],
    light: { anchor: "map", position: [1.4, 210, 32], intensity: 0.22, color: "#ffffff" },
  };
  if (spec.tiles) {
    style.sources.tiles = { type: "raster", tiles: [spec.tiles.url], tileSize: 256 };
    style.layers.push({
      id: "tiles",
      type: "raster",
      source: "tiles",
      paint: { "raster-saturation": -0.7, "raster-opacity": 0.7 },
    });
  }
  return style;
}

/** The colour of a feature by its value. */
export function colourBy(
  layer: LayerSpec,
  scale: Scale | undefined,
  c: Palette,
): ExpressionSpecification | string {
  if (!layer.attribute || !scale) return layer.kind === "own" ? c.house : c.houseHigh;
  const colours = steps(c.dark);
  const stops = colours.flatMap((colour, i) => [valueAt(scale, i / (colours.length - 1)), colour]);
  const value: ExpressionSpecification = ["get", layer.attribute.name];
  return [
    "case",
    ["==", ["typeof", value], "number"],
    [
      "interpolate",
      ["linear"],
      ["to-number", value],
      ...stops,
    ] as unknown as ExpressionSpecification,
    c.house,
  ];
}

/** One look for features with a value of the layer's attribute, another for those without. */
function valued(layer: LayerSpec, on: string, off: string): ExpressionSpecification {
  return ["case", ["==", ["typeof", ["get", layer.attribute?.name ?? ""]], "number"], on, off];
}

function chosen(on: number, off: number): ExpressionSpecification {
  const state: ExpressionSpecification = ["boolean", ["feature-state", "chosen"], false];
  return ["case", state, on, off];
}

/** The style layers of one layer of the map, from the ground up. */
export function layersOf(
  layer: LayerSpec,
  scale: Scale | undefined,
  c: Palette,
  tilted: boolean,
): LayerSpecification[] {
  const source = `data-${layer.id}`;
  const colour = colourBy(layer, scale, c);
  const received = layer.kind === "received";
  const data = layer.attribute !== null;
  const line = received ? c.accent : data ? c.ink : c.houseLine;
  const made: LayerSpecification[] = [];
  if (layer.geometry === "point") {
    made.push({
      id: `${source}-point`,
      type: "circle",
      source,
      paint: {
        "circle-color": colour,
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 10, 4, 16, chosen(12, 9)],
        "circle-stroke-color": line,
        "circle-stroke-width": chosen(3, received ? 2 : 1.25),
      },
    });
    return made;
  }
  const rises = layer.extrude !== null || data;
  const flat = tilted && rises ? "none" : "visible";
  made.push(
    {
      id: `${source}-fill`,
      type: "fill",
      source,
      layout: { visibility: flat },
      paint: { "fill-color": colour, "fill-antialias": true },
    },
    {
      id: `${source}-line`,
      type: "line",
      source,
      layout: {
        "line-join": "round",
        visibility: tilted && rises && !received ? "none" : "visible",
      },
      paint: {
        "line-color": data && !received ? valued(layer, line, c.houseLine) : line,
        "line-width": data ? chosen(3.5, received ? 1.75 : 0.75) : 0.5,
        ...(received ? { "line-dasharray": [2, 1.2] } : {}),
      },
    },
  );
  if (rises) {
    made.push({
      id: `${source}-high`,
      type: "fill-extrusion",
      source,
      layout: { visibility: tilted ? "visible" : "none" },
      paint: {
        "fill-extrusion-color": data ? colour : c.houseHigh,
        "fill-extrusion-height": ["max", 2.5, ["to-number", ["get", HEIGHT], 3]],
        "fill-extrusion-opacity": 1,
        "fill-extrusion-vertical-gradient": true,
      },
    });
  }
  return made;
}

/** The outline of the contract's area, hatched inside. */
export function areaLayers(layer: LayerSpec, c: Palette): LayerSpecification[] {
  const source = `area-${layer.id}`;
  return [
    {
      id: `${source}-hatch`,
      type: "fill",
      source,
      paint: { "fill-pattern": HATCH, "fill-opacity": 0.5 },
    },
    {
      id: `${source}-line`,
      type: "line",
      source,
      paint: { "line-color": c.accent, "line-width": 2, "line-dasharray": [4, 2] },
    },
  ];
}

/** Draw the hatch into the map's images, in the accent colour. */
export function addHatch(map: GLMap, c: Palette): void {
  const size = 16;
  const canvas = document.createElement("canvas");
  canvas.width = size;
  canvas.height = size;
  const context = canvas.getContext("2d");
  if (!context) return;
  context.strokeStyle = c.accent;
  context.globalAlpha = 0.55;
  context.lineWidth = 1.25;
  for (const shift of [-size, 0, size]) {
    context.beginPath();
    context.moveTo(shift, size);
    context.lineTo(shift + size, 0);
    context.stroke();
  }
  if (map.hasImage(HATCH)) map.removeImage(HATCH);
  map.addImage(HATCH, context.getImageData(0, 0, size, size), { pixelRatio: 2 });
}
