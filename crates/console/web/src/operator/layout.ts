// Places a graph in layers, callers' way from top to bottom (Sugiyama's method, in its simplest form): layers by the
// longest way, order within a layer by the neighbours' middle, edges that lead back drawn at the side.

export interface Box { id: string; x: number; y: number; width: number; height: number }
export interface Path extends Edge { d: string; label: { x: number; y: number } }
export interface Drawing { boxes: Map<string, Box>; paths: Path[]; width: number; height: number }

export interface Node { id: string }
export interface Edge { from: string; to: string; key: string | null; taken: number | null }

/** How large everything is, in pixels. */
export interface Size {
  box: { width: number; height: number };
  gap: { x: number; y: number };
  /** What a line needs that passes between boxes, with its label. */
  lane: number;
  /** What one of several ways between two boxes needs, so that its label covers no other. */
  fan: number;
  margin: number;
  /** What a way back needs beside all boxes. */
  side: number;
}
export const WIDE: Size = { box: { width: 190, height: 54 }, gap: { x: 28, y: 70 }, lane: 60, fan: 60, margin: 28, side: 46 };
/** Pixels that a telephone of 360 leaves. */
export const LEFT = 306;
/** So that the hotline's plan fits there. */
export const NARROW: Size = { box: { width: 128, height: 54 }, gap: { x: 12, y: 62 }, lane: 40, fan: 28, margin: 6, side: 24 };
const SWEEPS = 8;

export function drawn(nodes: Node[], edges: Edge[], { box: BOX, gap: GAP, lane: LANE, fan: FAN, margin: MARGIN, side }: Size): Drawing {
  const ids = new Set(nodes.map((node) => node.id));
  const known = edges.filter((edge) => ids.has(edge.from) && ids.has(edge.to));
  const back = backEdges(nodes, known);
  const forward = known.filter((edge) => !back.has(edge) && edge.from !== edge.to);
  const { layers, ways } = threaded(layered(nodes, forward), forward);
  const order = ordered(layers, [...ways.values()].flatMap(steps));

  const leaving = group([...ways.values()], (way) => way[0]!);
  const arriving = group([...ways.values()], (way) => way.at(-1)!);
  const fanned = (id: string) => Math.max(leaving.get(id)?.length ?? 0, arriving.get(id)?.length ?? 0) * FAN;
  const width = (id: string) => (ids.has(id) ? Math.max(BOX.width, fanned(id)) : LANE);
  const span = (layer: string[]) => layer.reduce((sum, id) => sum + width(id) + GAP.x, -GAP.x);
  const inner = Math.max(BOX.width, ...order.map(span));
  const boxes = new Map<string, Box>();
  order.forEach((layer, row) => {
    let x = MARGIN + (inner - span(layer)) / 2;
    for (const id of layer) {
      boxes.set(id, { id, x, y: MARGIN + row * (BOX.height + GAP.y), width: width(id), height: BOX.height });
      x += width(id) + GAP.x;
    }
  });
  const middle = (id: string) => {
    const box = boxes.get(id) as Box;
    return box.x + box.width / 2;
  };

  // Lines leave and arrive beside each other, in the order in which the other ends stand.
  for (const fan of leaving.values()) fan.sort((a, b) => middle(a[1]!) - middle(b[1]!));
  for (const fan of arriving.values()) fan.sort((a, b) => middle(a.at(-2)!) - middle(b.at(-2)!));
  const beside = (fan: string[][], way: string[]) => (fan.indexOf(way) - (fan.length - 1) / 2) * FAN;

  let lanes = 0;
  const paths = known.map((edge): Path => {
    const way = ways.get(edge);
    if (way) {
      const [out, into] = [leaving.get(edge.from) ?? [], arriving.get(edge.to) ?? []];
      let x = middle(edge.from) + beside(out, way);
      let y = (boxes.get(edge.from) as Box).y + BOX.height;
      let d = `M${x} ${y}`;
      let label = { x, y };
      way.slice(1).forEach((id, step) => {
        const box = boxes.get(id) as Box;
        const last = step === way.length - 2;
        const to = { x: middle(id) + (last ? beside(into, way) : 0), y: box.y - (last ? 5 : 0) };
        const bend = (to.y - y) * 0.55;
        d += `C${x} ${y + bend} ${to.x} ${to.y - bend} ${to.x} ${to.y}`;
        // The label stands where the lines are furthest apart: at the end that fewer of them share.
        const far = out.length > into.length ? 0.68 : out.length < into.length ? 0.24 : 0.5;
        if (step === 0 && last) label = { x: curve(x, x, to.x, to.x, far), y: curve(y, y + bend, to.y - bend, to.y, far) + 4 };
        // One that passes a layer has a place of its own there.
        else if (step === 0) label = { x: to.x, y: box.y + box.height / 2 - 4 };
        if (!last) d += `V${box.y + box.height}`;
        [x, y] = [to.x, box.y + box.height];
      });
      return { ...edge, d, label };
    }
    // Back or to itself: around the right side, each in a lane of its own.
    lanes += 1;
    const [from, to] = [boxes.get(edge.from), boxes.get(edge.to)] as [Box, Box];
    const lane = MARGIN + inner + lanes * side;
    const [start, end] = [from.y + from.height / 2 + 10, to.y + to.height / 2 - 10];
    const d = `M${from.x + from.width} ${start}C${lane} ${start} ${lane} ${end} ${to.x + to.width + 5} ${end}`;
    return { ...edge, d, label: { x: curve(from.x + from.width, lane, lane, to.x + to.width, 0.5), y: (start + end) / 2 + 4 } };
  });
  return {
    boxes,
    paths,
    width: inner + 2 * MARGIN + lanes * side,
    height: order.length * (BOX.height + GAP.y) - GAP.y + 2 * MARGIN,
  };
}

/** A point of a cubic curve. */
function curve(a: number, b: number, c: number, d: number, at: number): number {
  const left = 1 - at;
  return left ** 3 * a + 3 * left ** 2 * at * b + 3 * left * at ** 2 * c + at ** 3 * d;
}

/** Lines that pass a layer get a place of their own in it, so that they cross no box. */
function threaded(layers: string[][], forward: Edge[]): { layers: string[][]; ways: Map<Edge, string[]> } {
  const depth = new Map(layers.flatMap((layer, row) => layer.map((id) => [id, row] as const)));
  const wider = layers.map((layer) => [...layer]);
  const ways = new Map<Edge, string[]>();
  forward.forEach((edge, n) => {
    const way = [edge.from];
    for (let row = (depth.get(edge.from) ?? 0) + 1; row < (depth.get(edge.to) ?? 0); row += 1) {
      const id = `\u0000${n} ${row}`;
      wider[row]?.push(id);
      way.push(id);
    }
    ways.set(edge, [...way, edge.to]);
  });
  return { layers: wider, ways };
}

function steps(way: string[]): Edge[] {
  return way.slice(1).map((to, n) => ({ from: way[n]!, to, key: null, taken: null }));
}

function backEdges(nodes: Node[], edges: Edge[]): Set<Edge> {
  const from = group(edges, (edge) => edge.from);
  const state = new Map<string, "open" | "done">();
  const back = new Set<Edge>();
  for (const node of nodes) {
    if (state.has(node.id)) continue;
    // Depth first without recursion: a plan may be long.
    const stack = [{ id: node.id, next: 0 }];
    state.set(node.id, "open");
    while (stack.length) {
      const top = stack[stack.length - 1]!;
      const edge = from.get(top.id)?.[top.next++];
      if (!edge) {
        state.set(top.id, "done");
        stack.pop();
      } else if (state.get(edge.to) === "open") back.add(edge);
      else if (!state.has(edge.to)) {
        state.set(edge.to, "open");
        stack.push({ id: edge.to, next: 0 });
      }
    }
  }
  return back;
}

function layered(nodes: Node[], forward: Edge[]): string[][] {
  const into = group(forward, (edge) => edge.to);
  const depth = new Map<string, number>();
  const left = new Map(nodes.map((node) => [node.id, into.get(node.id)?.length ?? 0]));
  const from = group(forward, (edge) => edge.from);
  const ready = nodes.filter((node) => !left.get(node.id)).map((node) => node.id);
  ready.forEach((id) => depth.set(id, 0));
  for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
    for (const edge of from.get(id) ?? []) {
      depth.set(edge.to, Math.max(depth.get(edge.to) ?? 0, (depth.get(id) ?? 0) + 1));
      const rest = (left.get(edge.to) ?? 1) - 1;
      left.set(edge.to, rest);
      if (rest === 0) ready.push(edge.to);
    }
  }
  const layers: string[][] = [];
  for (const node of nodes) (layers[depth.get(node.id) ?? 0] ??= []).push(node.id);
  return layers;
}

function ordered(layers: string[][], forward: Edge[]): string[][] {
  const [from, into] = [group(forward, (edge) => edge.from), group(forward, (edge) => edge.to)];
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const place = new Map(layers.flatMap((layer) => layer.map((id, n) => [id, (n + 0.5) / layer.length] as const)));
    const down = sweep % 2 === 0;
    for (const layer of layers) {
      const middle = (id: string) => {
        const near = (down ? into.get(id)?.map((edge) => edge.from) : from.get(id)?.map((edge) => edge.to)) ?? [];
        return near.length ? near.reduce((sum, one) => sum + (place.get(one) ?? 0), 0) / near.length : (place.get(id) ?? 0);
      };
      const middles = new Map(layer.map((id) => [id, middle(id)]));
      layer.sort((a, b) => (middles.get(a) ?? 0) - (middles.get(b) ?? 0));
    }
  }
  return layers;
}

function group<Item>(items: Item[], by: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = by(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}
