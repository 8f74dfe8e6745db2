/** Where the towns stand and how the flows bend. Pure arithmetic. */

export interface Party {
  did: string;
  title: string;
}

export interface Flow {
  transfer_id: string;
  from: Party;
  to: Party;
  title: string;
  state: string;
  items_per_min: number | null;
  last_at: string | null;
  error?: string | null;
}

export interface Spot extends Party {
  x: number;
  y: number;
  kind: "me" | "authority" | "other";
  role: string;
  note: string;
}

export interface Curve {
  flow: Flow;
  path: string;
  tone: string;
  labelX: number;
  labelY: number;
  tip: { x: number; y: number; angle: number };
}

const OTHERS_MAX = 8;

/** Cut a text to a length, with an ellipsis. */
export function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1).trimEnd()}\u2026` : text;
}

/** Place the own town, the authority and the partners on a sheet of a given width. */
export function arrange(
  me: Party & { role: string },
  authority: (Partial<Party> & { did: string }) | null,
  flows: readonly Flow[],
  wide: number,
): Spot[] {
  const others = new Map<string, Party>();
  for (const flow of flows) {
    for (const party of [flow.from, flow.to])
      if (party.did !== me.did) others.set(party.did, party);
  }
  const people = [...others.values()].slice(0, OTHERS_MAX);
  const tower = authority && authority.did !== me.did ? authority : null;
  const row = tower ? 200 : 150;
  const spots: Spot[] = [];
  const alone = people.length === 0;
  const note = me.role === "authority" ? "authority" : "us";
  spots.push({ ...me, x: alone ? wide / 2 : wide * 0.2, y: row, kind: "me", note });
  const spread = Math.max(96, Math.min(150, 560 / people.length));
  people.forEach((party, i) => {
    const y = row + (i - (people.length - 1) / 2) * spread;
    spots.push({ ...party, x: wide * 0.8, y, kind: "other", role: "", note: "" });
  });
  const lowest = Math.min(...spots.map((s) => s.y));
  const lift = lowest < 96 ? 96 - lowest : 0;
  for (const spot of spots) spot.y += lift;
  if (tower) {
    const title = tower.title ?? "Authority";
    spots.push({
      did: tower.did,
      title,
      x: wide / 2,
      y: 72,
      kind: "authority",
      role: "authority",
      note: "authority",
    });
  }
  return spots;
}

function toneOf(state: string): string {
  const plain = state.toLowerCase();
  if (plain.endsWith("started")) return "good";
  if (plain.endsWith("terminated")) return "stop";
  if (plain.endsWith("completed")) return "over";
  return "wait";
}

function pairOf(flow: Flow): string {
  return [flow.from.did, flow.to.did].sort().join(" ");
}

/** Draw the flows of one direction as one where two towns share more than two of them. */
export function bundled(flows: readonly Flow[]): Flow[] {
  const shared = new Map<string, number>();
  for (const flow of flows) shared.set(pairOf(flow), (shared.get(pairOf(flow)) ?? 0) + 1);
  const bundles = new Map<string, Flow[]>();
  for (const flow of flows) {
    const many = (shared.get(pairOf(flow)) ?? 0) > 2;
    const key = many ? `${flow.from.did} ${flow.to.did}` : flow.transfer_id;
    bundles.set(key, [...(bundles.get(key) ?? []), flow]);
  }
  return [...bundles.values()].map(bundle);
}

function bundle(flows: readonly Flow[]): Flow {
  const first = flows[0] as Flow;
  if (flows.length === 1) return first;
  const rates = flows.map((f) => f.items_per_min).filter((rate) => rate !== null);
  const moments = flows.map((f) => f.last_at).filter((at) => at !== null);
  return {
    ...first,
    title: `${flows.length} transfers`,
    state: flows.find((f) => toneOf(f.state) === "good")?.state ?? first.state,
    items_per_min: rates.length ? rates.reduce((sum, rate) => sum + rate, 0) : null,
    last_at: moments.sort().at(-1) ?? null,
    error: flows.every((f) => f.error) ? first.error : null,
  };
}

/** Bend each flow so that two between the same towns do not lie on each other. */
export function curves(spots: readonly Spot[], flows: readonly Flow[]): Curve[] {
  const at = new Map(spots.map((s) => [s.did, s]));
  const used = new Map<string, number>();
  const found: Curve[] = [];
  const crowded = spots.filter((s) => s.kind === "other").length > 1;
  for (const flow of bundled(flows)) {
    const a = at.get(flow.from.did);
    const b = at.get(flow.to.did);
    if (!a || !b || a === b) continue;
    const pair = pairOf(flow);
    const turn = used.get(pair) ?? 0;
    used.set(pair, turn + 1);
    found.push(bend(flow, a, b, turn, crowded));
  }
  return found;
}

function bend(flow: Flow, a: Spot, b: Spot, turn: number, crowded: boolean): Curve {
  // The first flow bends up, the second down, further ones outside of these.
  const left = a.x <= b.x ? a : b;
  const right = left === a ? b : a;
  const dx = right.x - left.x;
  const dy = right.y - left.y;
  const length = Math.hypot(dx, dy) || 1;
  const side = (turn % 2 === 0 ? -1 : 1) * (26 + 34 * Math.floor(turn / 2));
  const nx = (-dy / length) * side;
  const ny = (dx / length) * side;
  const inset = 44 / length;
  const start = { x: left.x + dx * inset + nx * 0.25, y: left.y - 14 + dy * inset + ny * 0.25 };
  const end = { x: right.x - dx * inset + nx * 0.25, y: right.y - 14 - dy * inset + ny * 0.25 };
  const middle = { x: (start.x + end.x) / 2 + nx * 1.4, y: (start.y + end.y) / 2 + ny * 1.4 };
  const [from, to] = left === a ? [start, end] : [end, start];
  const r = (n: number): number => Math.round(n * 10) / 10;
  const path = `M${r(from.x)} ${r(from.y)}Q${r(middle.x)} ${r(middle.y)} ${r(to.x)} ${r(to.y)}`;
  const angle = (Math.atan2(to.y - middle.y, to.x - middle.x) * 180) / Math.PI;
  // With many partners the label stands near the partner, where the curves have parted.
  const t = crowded ? 0.74 : 0.5;
  const on = (p: number, q: number, z: number): number =>
    (1 - t) ** 2 * p + 2 * (1 - t) * t * q + t ** 2 * z;
  const top = on(start.y, middle.y, end.y);
  return {
    flow,
    path,
    tone: flow.error && toneOf(flow.state) === "good" ? "wait" : toneOf(flow.state),
    labelX: r(on(start.x, middle.x, end.x)),
    labelY: r(side < 0 ? top - 26 : top + 21),
    tip: { x: r(to.x), y: r(to.y), angle: r(angle) },
  };
}
