/** The color of text on a fill. */

/** Black or white, whichever has the higher contrast to the fill, `#rrggbb` (relative luminance of WCAG 2.2). */
export function getTextColor(fill: string): string {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = parseInt(fill.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  // Contrasts to white and black, 1.05 / (l + 0.05) and (l + 0.05) / 0.05, are equal here.
  return luminance > Math.sqrt(1.05 * 0.05) - 0.05 ? "#000000" : "#ffffff";
}
