/** Draws a structure as an SVG, floor above floor, and lists it as a table. */
import { getShortName } from "./importTable";
import { findDirectImports, type Structure } from "./rooms";

const width = 600;
const [boxHeight, floorHeight, margin, gap] = [26, 72, 12, 10];
const characterWidth = 7.2;

/** A room on its floor, or the place at which an arrow passes a floor in between. */
interface Place {
  readonly name: string;
  readonly width: number;
  x: number;
}

export function createStructureSvg(structure: Structure): string {
  const { floors } = structure;
  const { rows, paths } = arrangeRooms(structure);
  const height = rows.length * floorHeight + margin;
  const getTop = (floor: number) => (rows.length - floor) * floorHeight + margin;
  const floorOfRow = new Map(rows.flatMap((row, index) => row.map((place) => [place, index + 1] as const)));
  const arrows = paths.map((path) => {
    let line = "";
    for (const [index, place] of path.entries()) {
      const y = getTop(floorOfRow.get(place)!);
      const x = place.x.toFixed(1);
      if (index === 0) line = `M${x} ${y + boxHeight}`;
      else {
        const from = path[index - 1]!;
        const start = getTop(floorOfRow.get(from)!) + boxHeight;
        const middle = (start + y) / 2;
        line += `C${from.x.toFixed(1)} ${middle} ${x} ${middle} ${x} ${y}`;
        if (index < path.length - 1) line += `V${y + boxHeight}`;
      }
    }
    return `<path d="${line}"/>`;
  });
  const boxes = [...floors].map(([room, floor]) => {
    const place = rows[floor - 1]!.find(({ name }) => name === room)!;
    const [x, y] = [place.x - place.width / 2, getTop(floor)];
    return (
      `<rect x="${x.toFixed(1)}" y="${y}" width="${place.width.toFixed(1)}" height="${boxHeight}" rx="5"/>` +
      `<text x="${place.x.toFixed(1)}" y="${y + 17}">${getShortName(room)}</text>`
    );
  });
  const numbers = rows.map(
    (_, index) => `<text class="floor" x="10" y="${getTop(index + 1) + 17}">${index + 1}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>The rooms of Lathe by floor, with an arrow from each room to those it builds on</title>
<style>
svg { background: #ffffff; font: 12px ui-monospace, Menlo, Consolas, monospace }
rect { fill: #eef3f8; stroke: #5b7a99 }
text { fill: #1c2630; text-anchor: middle }
.floor { fill: #6b7885 }
path { fill: none; stroke: #8a9aa9; stroke-width: 1.2; marker-end: url(#head) }
marker path { fill: #8a9aa9; stroke: none; marker-end: none }
@media (prefers-color-scheme: dark) {
svg { background: #1b2027 }
rect { fill: #27323e; stroke: #7f9cb8 }
text { fill: #e3eaf1 }
.floor { fill: #93a1af }
path { stroke: #75879a }
marker path { fill: #75879a }
}
</style>
<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0L8 4L0 8Z"/></marker>
${[...numbers, ...arrows, ...boxes].join("\n")}
</svg>
`;
}

/** Orders each floor so that few arrows cross, and spreads it over the width. */
function arrangeRooms(structure: Structure): { rows: Place[][]; paths: Place[][] } {
  const { floors, imports } = structure;
  const rows: Place[][] = Array.from({ length: Math.max(...floors.values()) }, () => []);
  const places = new Map<string, Place>();
  for (const [room, floor] of floors) {
    const place = { name: room, width: getShortName(room).length * characterWidth + 14, x: 0 };
    places.set(room, place);
    rows[floor - 1]!.push(place);
  }
  // Arrows to the same room pass a floor in between at one place.
  const passes = new Map<string, Place>();
  const paths = findDirectImports(imports)
    .filter(([from, to]) => floors.get(from) !== floors.get(to))
    .map(([from, to]) => {
      const path = [places.get(from)!];
      for (let floor = floors.get(from)! - 1; floor > floors.get(to)!; floor--) {
        const name = `${to} ${floor}`;
        const pass = passes.get(name) ?? { name, width: 4, x: 0 };
        if (!passes.has(name)) rows[floor - 1]!.push(pass);
        passes.set(name, pass);
        path.push(pass);
      }
      return [...path, places.get(to)!];
    });
  const neighbors = new Map<Place, Place[]>(rows.flat().map((place) => [place, []]));
  for (const path of paths)
    for (let index = 1; index < path.length; index++) {
      neighbors.get(path[index]!)!.push(path[index - 1]!);
      neighbors.get(path[index - 1]!)!.push(path[index]!);
    }
  for (const row of rows) spreadRow(row);
  for (let round = 0; round < 24; round++)
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      const targets = new Map(row.map((place) => [place, averageX(neighbors.get(place)!, place.x)]));
      row.sort((a, b) => targets.get(a)! - targets.get(b)!);
      spreadRow(row);
    }
  return { rows, paths };
}

function averageX(places: readonly Place[], fallback: number): number {
  return places.length === 0 ? fallback : places.reduce((sum, { x }) => sum + x, 0) / places.length;
}

function spreadRow(row: readonly Place[]): void {
  const occupied = row.reduce((sum, place) => sum + place.width, 0);
  const space = Math.max(gap / 2, (width - 2 * margin - occupied) / (row.length + 1));
  let x = Math.max(margin, (width - occupied - space * (row.length - 1)) / 2);
  for (const place of row) {
    place.x = x + place.width / 2;
    x += place.width + space;
  }
}

export function createStructureMarkdown({ floors, imports, circles }: Structure): string {
  const rooms = [...floors].sort(([a, first], [b, second]) => second - first || a.localeCompare(b));
  const countImporters = (room: string) =>
    [...imports].filter(([, targets]) => targets.includes(room)).length;
  const arrows = [...imports.values()].reduce((sum, targets) => sum + targets.length, 0);
  const lines = rooms.map(
    ([room, floor]) =>
      `| ${floor} | \`${room}\` | ${imports.get(room)!.map(getShortName).join(", ") || "nothing"} | ${countImporters(room)} |`,
  );
  return [
    `${rooms.length} rooms on ${Math.max(...floors.values())} floors, with ${arrows} imports between rooms${
      circles.length === 0
        ? ""
        : `; in a circle: ${circles.map((circle) => circle.map(getShortName).join(", ")).join("; ")}`
    }.`,
    "",
    "| floor | room | imports | imported by |",
    "| --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}
