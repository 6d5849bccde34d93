/** How much each setting matters: its importance in a forest, and its correlation, as bars. */
import { formatNumber } from "../protocol/quantities";
import type { ImportanceReport } from "../statistics/settingImportance";
import { isInformative } from "../statistics/settingImportance";
import { getColor } from "./palette";
import type { Face, Label, Picture } from "./picture";
import { shortenMiddle } from "./shortenHeading";
import { createLine, createRectangle } from "./shapes";
import type { ChartTheme } from "./theme";

export interface ImportancePictureOptions {
  readonly title: string;
  readonly report: ImportanceReport;
  readonly theme: ChartTheme;
  readonly width: number;
}

const [top, row, thickness] = [44, 24, 12];
const numberRoom = 46;

export function createImportancePicture({ title, report, theme, width }: ImportancePictureOptions): Picture {
  const { settings } = report;
  const hasForest = isInformative(report);
  const names = Math.min(width * 0.34, 240);
  const half = (width - names) / 2;
  // Without a forest, the correlations have its room too.
  const [forestFrom, forestTo] = [names, names + half - 16];
  const [from, to] = [hasForest ? names + half : names, width - numberRoom - 40];
  const center = (from + to) / 2;
  const labels: Label[] = [];
  const faces: Face[] = [];
  const label = (x: number, y: number, text: string, rest: Partial<Label> = {}) =>
    labels.push({ x, y, text, color: theme.foreground, anchor: "start", size: 12, ...rest });
  const bar = (x: number, end: number, y: number, color: string) =>
    faces.push(createRectangle(x, y, end - x, thickness, color));
  const height = top + row * Math.max(1, settings.length) + 10;
  if (hasForest) label(forestFrom, 30, "fall of R² when permuted", { color: theme.muted, size: 11 });
  label(from, 30, "correlation, −1 to 1", { color: theme.muted, size: 11 });
  label(0, 14, title, { bold: true });
  const highest = Math.max(1e-12, ...settings.map(({ importance = 0 }) => importance));
  const reach = (forestTo - forestFrom - numberRoom) / highest;
  settings.forEach(({ title: name, importance, correlation }, i) => {
    const y = top + i * row;
    label(0, y + thickness - 1, shortenMiddle(name, names - 12));
    if (hasForest && importance !== undefined) {
      // One that made predictions worse by chance is at zero.
      const end = forestFrom + Math.max(0, importance) * reach;
      bar(forestFrom, Math.max(end, forestFrom + 1), y, getColor(0, theme));
      label(end + 6, y + thickness - 1, formatNumber(importance, 2), { size: 11 });
    }
    if (correlation === undefined) {
      label(center + 6, y + thickness - 1, "–", { size: 11, color: theme.muted });
      return;
    }
    const { kind, value } = correlation;
    const end = center + (value * (to - from)) / 2;
    const [first, last] = value < 0 ? [end, center] : [center, Math.max(end, center + 1)];
    bar(first, last, y, getColor(value < 0 ? 1 : 2, theme));
    label(to + 6, y + thickness - 1, `${kind === "Spearman ρ" ? "ρ" : "η"} ${formatNumber(value, 2)}`, {
      size: 11,
    });
  });
  const axes = [...(hasForest ? [forestFrom] : []), center].map((x) =>
    createLine(
      [
        { x, y: top - 6 },
        { x, y: height - 8 },
      ],
      theme.muted,
    ),
  );
  return {
    title,
    width,
    height,
    background: theme.background,
    font: theme.font,
    area: { left: 0, top: 0, right: width, bottom: height },
    faces,
    grid: axes,
    strokes: [],
    marks: [],
    labels,
  };
}
