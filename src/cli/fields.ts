/** Named values under each other, values wrapped beside their names. */
import type { TableStyle } from "./table";
import { getTextWidth, wrapText } from "./textWidth";

const minValueWidth = 20;

export function formatFields(
  fields: readonly (readonly [name: string, value: string])[],
  { colors, textWidth }: TableStyle,
): string {
  const width = fields.reduce((widest, [name]) => Math.max(widest, getTextWidth(name)), 0) + 2;
  const indent = " ".repeat(width);
  return fields
    .map(([name, value]) => {
      const lines = wrapText(value, Math.max(minValueWidth, textWidth - width)).split("\n");
      return `${colors.dim(name.padEnd(width))}${lines.join(`\n${indent}`)}`;
    })
    .join("\n");
}
