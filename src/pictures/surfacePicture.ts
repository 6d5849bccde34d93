/**
 * A matrix as a surface seen from an angle: both the height and the color show the value. Faces are painted from the
 * farthest to the nearest, so that those in front cover those behind.
 */
import { formatNumber } from "../protocol/quantities";
import { createHeading, createLine, createNote } from "./shapes";
import { getFillColor, type Matrix } from "./matrix";
import type { Point } from "./placeMarks";
import type { Face, Label, Picture } from "./picture";
import type { ChartTheme } from "./theme";

export interface SurfacePictureOptions {
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

export function createSurfacePicture({
  title,
  matrix,
  limit,
  theme,
  width,
  turn,
  tilt,
}: SurfacePictureOptions): Picture {
  const { rows, columns, values } = matrix;
  const height = Math.round(width * 0.66) + head;
  const [azimuth, elevation] = [(turn * Math.PI) / 180, (tilt * Math.PI) / 180];
  const size = width * 0.27;
  const project = (x: number, y: number, z: number): Point & { readonly depth: number } => {
    const across = x * Math.cos(azimuth) - y * Math.sin(azimuth);
    const depthward = x * Math.sin(azimuth) + y * Math.cos(azimuth);
    return {
      x: width / 2 + across * size,
      y: head + (height - head) / 2 + (depthward * Math.sin(elevation) - z * Math.cos(elevation)) * size,
      depth: depthward * Math.cos(elevation) + z * Math.sin(elevation),
    };
  };
  const getHeight = (row: number, column: number) => {
    const value = values[row * columns + column] ?? 0;
    return relief * Math.max(-1.5, Math.min(1.5, value / limit));
  };
  // A vector has no second dimension: it is drawn as a ridge of some width.
  const toUnitRange = (index: number, count: number) => (count < 2 ? 0 : (2 * index) / (count - 1) - 1);
  const projectCorner = (row: number, column: number) => {
    const y = rows < 2 ? row * 0.3 : toUnitRange(row, rows);
    return project(toUnitRange(column, columns), y, getHeight(Math.min(row, rows - 1), column));
  };
  const faces: (Face & { readonly depth: number })[] = [];
  for (let row = 0; row < Math.max(1, rows - 1); row++)
    for (let column = 0; column < columns - 1; column++) {
      const points = [
        projectCorner(row, column),
        projectCorner(row, column + 1),
        projectCorner(row + 1, column + 1),
        projectCorner(row + 1, column),
      ];
      const cornerValues = [row, Math.min(row + 1, rows - 1)].flatMap((r) =>
        [column, column + 1].map((c) => values[r * columns + c] ?? 0),
      );
      const strongest = cornerValues.reduce((best, each) => (Math.abs(each) > Math.abs(best) ? each : best));
      faces.push({
        points: points.map(({ x, y }) => ({ x, y })),
        color: getFillColor(strongest, limit, theme),
        depth: points.reduce((sum, { depth }) => sum + depth, 0),
      });
    }
  faces.sort((a, b) => a.depth - b.depth);
  const line = (from: Point, to: Point) => createLine([from, to], theme.muted, 1, 0.6);
  const label = (text: string, place: Point, anchor: Label["anchor"]) =>
    createNote(place, text, anchor, theme);
  const base = [project(-1, -1, 0), project(1, -1, 0), project(1, 1, 0), project(-1, 1, 0)];
  const [left, front] = [
    base.reduce((best, each) => (each.x < best.x ? each : best)),
    base.reduce((best, each) => (each.y > best.y ? each : best)),
  ];
  const projectAxisPoint = (z: number) => ({
    x: left.x - 14,
    y: left.y - z * relief * Math.cos(elevation) * size,
  });
  const getMidpoint = (a: Point, b: Point, down: number) => ({
    x: (a.x + b.x) / 2,
    y: (a.y + b.y) / 2 + down,
  });
  const nearCorners = base.filter((each) => each !== front).sort((a, b) => b.y - a.y);
  const names = [nearCorners[0]!, nearCorners[1]!].map((end) => {
    // The columns run along the sides where y is constant.
    const [i, j] = [base.indexOf(front), base.indexOf(end)];
    const isColumns = (i < 2 && j < 2) || (i >= 2 && j >= 2);
    // Below the deepest value, so that no face covers it.
    const position = getMidpoint(front, end, 16 + relief * Math.cos(elevation) * size);
    return label(isColumns ? "outputs" : "inputs", position, end.x < front.x ? "end" : "start");
  });
  return {
    title,
    width,
    height,
    background: theme.background,
    font: theme.font,
    area: { left: 0, top: 0, right: width, bottom: height },
    faces: faces.map(({ points, color }) => ({ points, color })),
    grid: [
      line(projectAxisPoint(-1), projectAxisPoint(1)),
      ...[-1, 0, 1].map((z) =>
        line({ ...projectAxisPoint(z), x: projectAxisPoint(z).x - 4 }, projectAxisPoint(z)),
      ),
    ],
    strokes: [],
    marks: [],
    labels: [
      createHeading(title, width, theme),
      ...[-1, 0, 1].map((z) =>
        label(
          formatNumber(z * limit, 2),
          { x: projectAxisPoint(z).x - 8, y: projectAxisPoint(z).y + 4 },
          "end",
        ),
      ),
      ...names,
    ],
  };
}
