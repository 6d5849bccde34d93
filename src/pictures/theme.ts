/** The colors of a picture. Pages use those of the editor, saved files those of paper. */
import type { ColorTheme } from "./palette";

export interface ChartTheme extends ColorTheme {
  readonly highContrast: boolean;
  readonly foreground: string;
  readonly muted: string;
  readonly grid: string;
  readonly background: string;
  readonly accent: string;
  readonly font: string;
}

/** For reports, which are read in a browser and printed. */
export const paperTheme: ChartTheme = {
  ground: "light",
  highContrast: false,
  foreground: "#1f2328",
  muted: "#59636e",
  grid: "#00000014",
  background: "#ffffff",
  accent: "#0969da",
  font: "system-ui, sans-serif",
};
