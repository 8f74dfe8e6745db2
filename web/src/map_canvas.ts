/** The canvas of the map: MapLibre GL, its sources and layers, popups and the camera. */
import {
  type GeoJSONSource,
  Map as GLMap,
  type LayerSpecification,
  type LngLatBoundsLike,
  NavigationControl,
  Popup,
  ScaleControl,
} from "maplibre-gl";
import { lessMotion } from "./colours";
import {
  areaOf,
  buildingOf,
  type Collection,
  type Feature,
  featureId,
  heights,
  type LayerSpec,
  type MapSpec,
  middle,
  raised,
  scaleOf,
  type View,
} from "./map_model";
import { card, type PanelHost } from "./map_panel";
import { addHatch, areaLayers, baseStyle, layersOf, type Palette, palette } from "./map_style";

const TILT = 52;
const TILTED_FROM = 8;

/** Who is told what a person does on the canvas. */
export interface CanvasHost extends PanelHost {
  tilted: boolean;
  choose(layer: string, id: string, fly: boolean): void;
  unchoose(): void;
  remember(): void;
}

export class MapCanvas {
  private readonly map: GLMap;
  private colours: Palette;
  private ready = false;
  private tilted: boolean;
  private popup: Popup | null = null;
  private marked: { source: string; id: string } | null = null;

  constructor(
    holder: HTMLElement,
    private readonly host: CanvasHost,
    spec: MapSpec,
    private readonly bounds: [number, number, number, number] | null,
    view: View,
  ) {
    this.colours = palette();
    this.tilted = (view.pitch ?? 0) > TILTED_FROM;
    const placed = view.lon !== undefined && view.lat !== undefined;
    this.map = new GLMap({
      container: holder,
      style: baseStyle(spec, this.colours),
      attributionControl: false,
      maxPitch: 70,
      fadeDuration: 0,
      ...(placed
        ? { center: [view.lon as number, view.lat as number], zoom: view.zoom ?? 15 }
        : bounds
          ? { bounds: bounds as LngLatBoundsLike, fitBoundsOptions: { padding: 24 } }
          : {}),
      pitch: view.pitch ?? 0,
      bearing: view.bearing ?? 0,
    });
    this.map.addControl(new NavigationControl({ visualizePitch: true }), "top-right");
    this.map.addControl(new ScaleControl({ unit: "metric" }), "bottom-left");
    this.map.on("load", () => {
      this.ready = true;
      addHatch(this.map, this.colours);
      this.draw();
      holder.dataset.ready = "true";
    });
    this.map.on("moveend", () => host.remember());
    this.map.on("pitch", () => this.onPitch());
    this.map.on("click", (event) => this.onClick(event.point.x, event.point.y));
    this.map.on("mousemove", (event) => {
      const hit = this.at(event.point.x, event.point.y);
      this.map.getCanvas().style.cursor = hit ? "pointer" : "";
    });
  }

  remove(): void {
    this.map.remove();
  }

  camera(): Omit<View, "at" | "off"> {
    const centre = this.map.getCenter();
    return {
      lon: centre.lng,
      lat: centre.lat,
      zoom: this.map.getZoom(),
      pitch: this.map.getPitch(),
      bearing: this.map.getBearing(),
    };
  }

  /** Bring the whole area into view. */
  whole(): void {
    if (!this.bounds) return;
    const animate = !lessMotion();
    this.map.fitBounds(this.bounds as LngLatBoundsLike, {
      padding: 24,
      animate,
      pitch: this.map.getPitch(),
    });
  }

  /** Tilt the map or lay it flat. */
  tilt(on: boolean): void {
    this.map.easeTo({
      pitch: on ? TILT : 0,
      bearing: on ? -24 : 0,
      duration: lessMotion() ? 0 : 700,
    });
  }

  /** Take the colours of the new theme. */
  recolour(): void {
    this.colours = palette();
    if (!this.ready) return;
    this.map.setPaintProperty("ground", "background-color", this.colours.ground);
    addHatch(this.map, this.colours);
    this.clear();
    this.draw();
  }

  private clear(): void {
    for (const layer of [...this.map.getStyle().layers]) {
      if (layer.id.startsWith("data-") || layer.id.startsWith("area-"))
        this.map.removeLayer(layer.id);
    }
  }

  private onPitch(): void {
    const tilted = this.map.getPitch() > TILTED_FROM;
    if (tilted === this.tilted) return;
    this.tilted = tilted;
    this.host.tilted = tilted;
    this.clear();
    this.draw();
  }

  private set(id: string, data: Collection): void {
    const source = this.map.getSource<GeoJSONSource>(id);
    const given = data as unknown as Parameters<GeoJSONSource["setData"]>[0];
    if (source) source.setData(given);
    else this.map.addSource(id, { type: "geojson", data: given, promoteId: "id" });
  }

  /** Bring canvas and data together. */
  draw(): void {
    if (!this.ready || !this.host.spec) return;
    const layers = this.host.shown();
    const known = heights(this.host.spec.layers, this.host.data);
    const styles: LayerSpecification[] = [];
    for (const layer of [...layers].sort((a, b) => rank(a) - rank(b))) {
      const area = layer.area ? areaOf(layer.area) : null;
      if (area) {
        this.set(`area-${layer.id}`, { type: "FeatureCollection", features: [area] });
        styles.push(...areaLayers(layer, this.colours));
      }
      const data = this.host.data.get(layer.id) ?? { type: "FeatureCollection", features: [] };
      this.set(`data-${layer.id}`, raised(layer, data, known));
      styles.push(...layersOf(layer, scaleOf(layer, this.host.scales), this.colours, this.tilted));
    }
    this.put(styles);
    this.uncover(layers);
    this.follow();
  }

  /** Put style layers in order: all that lies flat first, what rises after it. */
  private put(styles: readonly LayerSpecification[]): void {
    const high = (style: LayerSpecification): number => (style.type === "fill-extrusion" ? 1 : 0);
    const ordered = [...styles].sort((a, b) => high(a) - high(b));
    const wanted = new Set(ordered.map((style) => style.id));
    for (const layer of [...this.map.getStyle().layers]) {
      if (/^(data|area)-/.test(layer.id) && !wanted.has(layer.id)) this.map.removeLayer(layer.id);
    }
    let before: string | undefined;
    for (const style of ordered.reverse()) {
      if (!this.map.getLayer(style.id)) this.map.addLayer(style, before);
      for (const [name, value] of Object.entries(style.paint ?? {})) {
        if (name.endsWith("color"))
          this.map.setPaintProperty(style.id, name as never, value as never);
      }
      before = style.id;
    }
  }

  /** A building that a data layer shows is not drawn a second time by the base. */
  private uncover(layers: readonly LayerSpec[]): void {
    const shown = layers
      .filter((layer) => layer.attribute)
      .flatMap((layer) => (this.host.data.get(layer.id)?.features ?? []).map(buildingOf));
    for (const layer of layers) {
      const id = `data-${layer.id}-high`;
      if (layer.attribute || !this.map.getLayer(id)) continue;
      this.map.setFilter(id, ["!", ["in", ["get", "id"], ["literal", shown]]]);
    }
  }

  private at(x: number, y: number): { layer: string; id: string } | null {
    const layers = this.host
      .shown()
      .filter((l) => l.attribute)
      .flatMap((l) => [`data-${l.id}-fill`, `data-${l.id}-high`, `data-${l.id}-point`])
      .filter((id) => this.map.getLayer(id));
    if (layers.length === 0) return null;
    const [hit] = this.map.queryRenderedFeatures([x, y], { layers });
    if (!hit) return null;
    return {
      layer: String(hit.source).replace(/^data-/, ""),
      id: String(hit.properties.id ?? hit.id),
    };
  }

  private onClick(x: number, y: number): void {
    const hit = this.at(x, y);
    if (hit) this.host.choose(hit.layer, hit.id, false);
  }

  private mark(source: string, id: string | null): void {
    if (this.marked && this.map.getSource(this.marked.source)) {
      this.map.setFeatureState(this.marked, { chosen: false });
    }
    this.marked = id === null ? null : { source, id };
    if (this.marked) this.map.setFeatureState(this.marked, { chosen: true });
  }

  /** Show the values of a feature in a popup. */
  show(layerId: string, feature: Feature, fly: boolean): void {
    const layer = this.host.spec?.layers.find((l) => l.id === layerId);
    const place = middle(feature.geometry);
    if (!layer || !place || !this.ready) return;
    this.popup?.remove();
    this.mark(`data-${layerId}`, featureId(feature));
    const before = document.activeElement;
    const popup = new Popup({ maxWidth: "300px", offset: 10, focusAfterOpen: fly })
      .setLngLat(place)
      .setDOMContent(card(this.host, layer, feature))
      .addTo(this.map);
    popup.on("close", () => {
      if (this.popup !== popup) return;
      this.popup = null;
      this.mark("", null);
      this.host.unchoose();
      if (fly && before instanceof HTMLElement && before.isConnected) before.focus();
    });
    popup.getElement().addEventListener("keydown", (event) => {
      if (event.key === "Escape") popup.remove();
    });
    this.popup = popup;
    if (fly) {
      const zoom = Math.max(this.map.getZoom(), 16);
      this.map.easeTo({ center: place, zoom, duration: lessMotion() ? 0 : 500 });
    }
  }

  /** Keep the popup's values those of the shown instant. */
  private follow(): void {
    const { chosen } = this.host;
    if (!this.popup || !chosen) return;
    const layer = this.host.spec?.layers.find((l) => l.id === chosen.layer);
    const feature = this.host.data
      .get(chosen.layer)
      ?.features.find((f) => featureId(f) === chosen.id);
    if (!layer || !feature) this.popup.remove();
    else {
      const focused = this.popup.getElement().contains(document.activeElement);
      if (!focused) this.popup.setDOMContent(card(this.host, layer, feature));
    }
  }
}

function rank(layer: LayerSpec): number {
  return (
    (layer.attribute ? 2 : 0) +
    (layer.geometry === "point" ? 2 : 0) +
    (layer.kind === "received" ? 1 : 0)
  );
}
