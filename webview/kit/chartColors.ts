/** The editor's colors for a canvas: read from its style variables, and again whenever the theme changes. */
import type { Unsubscribe } from "../../src/protocol/connection";
import { getRunColors, onLookChange } from "./look";
import type { ChartTheme } from "../../src/pictures/theme";

export function readTheme(): ChartTheme {
  const style = getComputedStyle(document.body);
  const readVariable = (names: readonly string[], fallback: string) =>
    names.map((name) => style.getPropertyValue(`--vscode-${name}`).trim()).find((value) => value !== "") ??
    fallback;
  const classes = document.body.classList;
  const light = classes.contains("vscode-light") || classes.contains("vscode-high-contrast-light");
  const highContrast =
    classes.contains("vscode-high-contrast") || classes.contains("vscode-high-contrast-light");
  const foreground = readVariable(["foreground", "editor-foreground"], light ? "#333333" : "#cccccc");
  const ground = light ? "light" : "dark";
  return {
    ground,
    colors: getRunColors(ground),
    highContrast,
    foreground,
    muted: highContrast ? foreground : readVariable(["descriptionForeground"], foreground),
    grid: highContrast ? `${toHexColor(foreground)}38` : light ? "#00000014" : "#ffffff14",
    background: readVariable(["editor-background"], light ? "#ffffff" : "#1e1e1e"),
    accent: readVariable(["focusBorder"], "#0078d4"),
    font: readVariable(["font-family"], "sans-serif"),
  };
}

/** Opaque `#rrggbb` of a color that may have an opacity. */
function toHexColor(color: string): string {
  return /^#[\da-f]{6}/i.exec(color)?.[0] ?? "#808080";
}

/** The person has set other colors, or the editor its variables on the document's element and the kind of its theme on the body. */
export function onThemeChange(listener: () => void): Unsubscribe {
  const look = onLookChange(listener);
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["style"] });
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ["class", "data-vscode-theme-kind", "data-vscode-theme-id"],
  });
  return {
    dispose: () => {
      look.dispose();
      observer.disconnect();
    },
  };
}
