/**
 * A matrix as a surface seen from an angle: both the height and the color show the value. Faces are painted from the
 * farthest to the nearest, so that those in front cover those behind.
 */
import { figure } from "../protocol/quantities";
import { shortenHeading } from "./shortened";
import { fillOf, type Matrix } from "./matrix";
import type { Place } from "./markPlaces";
import type { Face, Label, Picture, Stroke } from "./picture";
import type { ChartTheme } from "./theme";

export interface SurfaceGiven {
  readonly title: string;
  readonly matrix: Matrix;
  /** The value at the top of the picture. */
  readonly limit: number;
  readonly theme: ChartTheme;
  readonly width: number;
  /** Degrees around the vertical axis, and from the side (0) to directly above (90). */
  readonly turn: number;
  readonly tilt: number;
}

/** Height of the largest value, if each side of the base is 2. */
const relief = 0.55;
const head = 30;

export function surfacePicture({ title, matrix, limit, theme, width, turn, tilt }: SurfaceGiven): Picture {
  const { rows, columns, values } = matrix;
  const height = Math.round(width * 0.66) + head;
  const [around, above] = [(turn * Math.PI) / 180, (tilt * Math.PI) / 180];
  const size = width * 0.27;
  const project = (x: number, y: number, z: number): Place & { readonly depth: number } => {
    const across = x * Math.cos(around) - y * Math.sin(around);
    const away = x * Math.sin(around) + y * Math.cos(around);
    return {
      x: width / 2 + across * size,
      y: head + (height - head) / 2 + (away * Math.sin(above) - z * Math.cos(above)) * size,
      depth: away * Math.cos(above) + z * Math.sin(above),
    };
  };
  const heightAt = (row: number, column: number) => {
    const value = values[row * columns + column] ?? 0;
    return relief * Math.max(-1.5, Math.min(1.5, value / limit));
  };
  // A vector has no second dimension: it is drawn as a ridge of some width.
  const along = (at: number, count: number) => (count < 2 ? 0 : (2 * at) / (count - 1) - 1);
  const corner = (row: number, column: number) => {
    const y = rows < 2 ? row * 0.3 : along(row, rows);
    return project(along(column, columns), y, heightAt(Math.min(row, rows - 1), column));
  };
  const faces: (Face & { readonly depth: number })[] = [];
  for (let row = 0; row < Math.max(1, rows - 1); row++)
    for (let column = 0; column < columns - 1; column++) {
      const points = [
        corner(row, column),
        corner(row, column + 1),
        corner(row + 1, column + 1),
        corner(row + 1, column),
      ];
      const shown = [row, Math.min(row + 1, rows - 1)].flatMap((r) =>
        [column, column + 1].map((c) => values[r * columns + c] ?? 0),
      );
      const strongest = shown.reduce((best, each) => (Math.abs(each) > Math.abs(best) ? each : best));
      faces.push({
        points: points.map(({ x, y }) => ({ x, y })),
        color: fillOf(strongest, limit, theme),
        depth: points.reduce((sum, { depth }) => sum + depth, 0),
      });
    }
  faces.sort((a, b) => a.depth - b.depth);
  const line = (from: Place, to: Place): Stroke => ({
    pieces: [[from, to]],
    color: theme.muted,
    opacity: 0.6,
    width: 1,
    dash: [],
  });
  const label = (text: string, { x, y }: Place, anchor: Label["anchor"]): Label => ({
    x,
    y,
    text,
    anchor,
    color: theme.muted,
    size: 11,
  });
  const base = [project(-1, -1, 0), project(1, -1, 0), project(1, 1, 0), project(-1, 1, 0)];
  const [left, front] = [
    base.reduce((best, each) => (each.x < best.x ? each : best)),
    base.reduce((best, each) => (each.y > best.y ? each : best)),
  ];
  const up = (z: number) => ({ x: left.x - 14, y: left.y - z * relief * Math.cos(above) * size });
  const middle = (a: Place, b: Place, down: number) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 + down });
  const near = base.filter((each) => each !== front).sort((a, b) => b.y - a.y);
  const names = [near[0]!, near[1]!].map((end) => {
    // The columns run along the sides where y is constant.
    const [i, j] = [base.indexOf(front), base.indexOf(end)];
    const isColumns = (i < 2 && j < 2) || (i >= 2 && j >= 2);
    // Below the deepest value, so that no face covers it.
    const place = middle(front, end, 16 + relief * Math.cos(above) * size);
    return label(isColumns ? "outputs" : "inputs", place, end.x < front.x ? "end" : "start");
  });
  return {
    title,
    width,
    height,
    background: theme.background,
    font: theme.font,
    area: { left: 0, top: 0, right: width, bottom: height },
    faces: faces.map(({ points, color }) => ({ points, color })),
    grid: [line(up(-1), up(1)), ...[-1, 0, 1].map((z) => line({ ...up(z), x: up(z).x - 4 }, up(z)))],
    strokes: [],
    marks: [],
    labels: [
      {
        x: 0,
        y: 18,
        text: shortenHeading(title, width),
        color: theme.foreground,
        anchor: "start",
        size: 13,
        bold: true,
      },
      ...[-1, 0, 1].map((z) => label(figure(z * limit, 2), { x: up(z).x - 8, y: up(z).y + 4 }, "end")),
      ...names,
    ],
  };
}
