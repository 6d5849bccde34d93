/** The same page as Markdown, with each figure as two files: SVG to look at, CSV for further use. */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { alignSamples, type Block, escapeInline, formatMarkdown } from "../../protocol/blocks";
import { formatCsv } from "../../protocol/csv";
import { renderSvg } from "../../pictures/svg";
import { writeAtomic } from "../runs/folder/atomicFile";
import type { Figure, Part } from "./html";

/** `figures` is a folder next to the page. */
export function writeMarkdown(path: string, figures: string, parts: readonly Part[]): void {
  const usedNames = new Set<string>();
  const lines = parts.map((part) => {
    switch (part.kind) {
      case "heading":
        return `${"#".repeat(part.level)} ${escapeInline(part.text)}`;
      case "conclusions":
        return part.sentences.map((sentence) => `- ${escapeInline(sentence)}`).join("\n");
      case "facts":
        return part.facts.map(([name, value]) => `- ${escapeInline(`${name}: ${value}`)}`).join("\n");
      case "blocks":
        return formatMarkdown(part.blocks);
      case "folded":
        return [`**${escapeInline(part.title)}**`, formatMarkdown(part.blocks)].join("\n\n");
      case "figures":
        return part.figures
          .map((figure) => renderFigure(figure, figures, usedNames, dirname(path)))
          .join("\n\n");
      case "texts":
        return formatMarkdown([createTextTable(part)]);
    }
  });
  writeAtomic(path, `${lines.join("\n\n")}\n`);
}

function renderFigure(
  { name, picture, lines }: Figure,
  folder: string,
  usedNames: Set<string>,
  from: string,
): string {
  let uniqueName = name;
  for (let again = 2; usedNames.has(uniqueName); again++) uniqueName = `${name}-${again}`;
  usedNames.add(uniqueName);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${uniqueName}.svg`), renderSvg(picture));
  writeFileSync(join(folder, `${uniqueName}.csv`), formatCsv(lines));
  const linkFolder = dirname(folder) === from ? basename(folder) : folder;
  return `![${escapeInline(picture.title)}](<${linkFolder}/${uniqueName}.svg>)\n\n[numbers](<${linkFolder}/${uniqueName}.csv>)`;
}

function createTextTable({ texts }: Extract<Part, { kind: "texts" }>): Block {
  return {
    kind: "table",
    columns: ["prompt", ...texts.map(({ name }) => name)],
    rows: alignSamples(texts).map(({ prompt, texts: uniqueName }) => [prompt, ...uniqueName]),
  };
}
