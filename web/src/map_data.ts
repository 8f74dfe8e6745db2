/** Fetches the map's layers; a refusal is an answer to show, not an error to hide. */
import { type Collection, type LayerSpec, layerUrl, type MapSpec } from "./map_model";

const CACHE_MAX = 240;
const EMPTY: Collection = { type: "FeatureCollection", features: [] };

export interface Loaded {
  data: Collection;
  refused: string | null;
}

/** Remembers the states of past instants, which do not change. */
export class MapData {
  private readonly past = new Map<string, Collection>();

  /** Get the description of the map. */
  async spec(url: string): Promise<MapSpec> {
    const answer = await fetch(url, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(await reason(answer));
    return (await answer.json()) as MapSpec;
  }

  /** Get a layer now (`at` null) or at an instant. Never throws for a refusal. */
  async layer(layer: LayerSpec, at: string | null, signal?: AbortSignal): Promise<Loaded> {
    if (layer.stopped) return { data: EMPTY, refused: layer.stopped };
    const url = layerUrl(layer, at);
    const known = at ? this.past.get(url) : undefined;
    if (known) return { data: known, refused: null };
    const answer = await fetch(url, {
      headers: { accept: "application/geo+json, application/json" },
      ...(signal ? { signal } : {}),
    });
    if (!answer.ok) return { data: EMPTY, refused: await reason(answer) };
    const data = (await answer.json()) as Collection;
    if (at && layer.attribute) {
      if (this.past.size >= CACHE_MAX) this.past.delete(this.past.keys().next().value as string);
      this.past.set(url, data);
    }
    return { data, refused: null };
  }

  /** Forget a layer's past, when it was stopped. */
  forget(layer: LayerSpec): void {
    for (const key of this.past.keys()) if (key.startsWith(layer.url)) this.past.delete(key);
  }
}

async function reason(answer: Response): Promise<string> {
  try {
    const body = (await answer.json()) as { title?: string; detail?: string; code?: string };
    const text = [body.title, body.detail].filter(Boolean).join(" ");
    return text ? `${text} (${body.code ?? answer.status})` : `Refused with ${answer.status}.`;
  } catch {
    return `Refused with ${answer.status}.`;
  }
}
