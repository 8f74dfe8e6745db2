import assert from "node:assert/strict";
import { test } from "node:test";
import {
  areaOf,
  boundsOf,
  type Collection,
  type LayerSpec,
  layerUrl,
  readView,
  scales,
  writeView,
} from "../src/map_model";

const layer: LayerSpec = {
  id: "shops",
  title: "Shops",
  kind: "own",
  url: "/layers/shops",
  geometry: "polygon",
  attribute: { name: "kw", unit: "kW", title: "Power", min: null, max: null },
  labels: [],
  publisher: null,
  terms: null,
  extrude: null,
  stopped: null,
};

function data(...values: (number | string | null)[]): Collection {
  return {
    type: "FeatureCollection",
    features: values.map((kw, i) => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: [4 + i, 52] },
      properties: { id: String(i), kw },
    })),
  };
}

test("own and received values of one attribute share a scale", () => {
  const other = { ...layer, id: "other", kind: "received" as const };
  const found = scales(
    [layer, other],
    new Map([
      ["shops", data(1, 3)],
      ["other", data(9, "n/a", null)],
    ]),
  );
  assert.equal(found.size, 1);
  const [scale] = [...found.values()];
  assert.equal(scale?.low, 0);
  assert.equal(scale?.high, 9);
});

test("a layer without values still has a scale", () => {
  const [scale] = [...scales([layer], new Map()).values()];
  assert.deepEqual([scale?.low, scale?.high], [0, 1]);
});

test("a contract's area is read from WKT, and nonsense is not", () => {
  const area = areaOf("POLYGON ((4 52, 5 52, 5 53, 4 52))");
  assert.equal(area?.geometry?.type, "MultiPolygon");
  assert.equal(areaOf("POINT (4 52)"), null);
  assert.equal(areaOf("POLYGON ((a b, c d, e f, a b))"), null);
});

test("bounds cover every feature", () => {
  assert.deepEqual(boundsOf([data(1, 2, 3)]), [4, 52, 6, 52]);
  assert.equal(boundsOf([]), null);
});

test("only what changes with time is asked for at an instant", () => {
  assert.equal(
    layerUrl(layer, "2026-01-01T00:00:00Z"),
    "/layers/shops?at=2026-01-01T00%3A00%3A00Z",
  );
  assert.equal(layerUrl({ ...layer, attribute: null }, "2026-01-01T00:00:00Z"), "/layers/shops");
});

test("a view survives the address", () => {
  const view = {
    at: "2026-01-01T00:15:00Z",
    lon: 4.35,
    lat: 52,
    zoom: 15.5,
    pitch: 52,
    bearing: -24,
    off: ["a", "b"],
  };
  assert.deepEqual(readView(`#${writeView(view)}`), view);
  assert.deepEqual(readView("#at=nonsense&c=x,y&z=q"), { at: null, off: [] });
});
