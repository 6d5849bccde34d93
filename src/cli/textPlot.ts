/** Draws curves with box characters, one character a value. */
import { findExtremes } from "../statistics/extremes";

export interface PlotCurve {
  readonly values: readonly number[];
  readonly paint: (text: string) => string;
}

export interface PlotAxis {
  /** Lines of the plot, less one. */
  readonly height: number;
  label(value: number): string;
}

/** All curves have the same axis; a later one covers an earlier one. Values are finite, and no curve is empty. */
export function drawCurves(curves: readonly PlotCurve[], axis: PlotAxis): string {
  const values = curves.flatMap((curve) => curve.values);
  const { min: lowest, max: highest } = findExtremes(values);
  const height = highest === lowest ? 0 : axis.height;
  const toLine = (value: number) =>
    height === 0 ? 0 : height - Math.round(((value - lowest) / (highest - lowest)) * height);

  const columns = findExtremes(curves.map((curve) => curve.values.length)).max - 1;
  const lines = Array.from({ length: height + 1 }, () => Array.from({ length: columns }, () => " "));
  const ticks = Array.from({ length: height + 1 }, () => "┤");
  for (const { values: curve, paint } of curves) {
    ticks[toLine(curve[0]!)] = paint("┼");
    for (let column = 0; column < curve.length - 1; column++) {
      const [from, to] = [toLine(curve[column]!), toLine(curve[column + 1]!)];
      const drawCharacter = (line: number, character: string) => (lines[line]![column] = paint(character));
      if (from === to) {
        drawCharacter(from, "─");
        continue;
      }
      const isFalling = to > from;
      drawCharacter(from, isFalling ? "╮" : "╯");
      for (let line = Math.min(from, to) + 1; line < Math.max(from, to); line++) drawCharacter(line, "│");
      drawCharacter(to, isFalling ? "╰" : "╭");
    }
  }
  return lines
    .map((characters, line) => {
      const value = height === 0 ? highest : highest - (line / height) * (highest - lowest);
      return `${axis.label(value)}${ticks[line]!}${characters.join("")}`.trimEnd();
    })
    .join("\n");
}
