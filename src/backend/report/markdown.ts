/** The same page as Markdown, with each figure as two files: SVG to look at, CSV for further use. */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { besideEachOther, type Block, escaped, markdownOf } from "../../protocol/blocks";
import { csvOf } from "../../protocol/csv";
import { svgOf } from "../../pictures/svg";
import { writeAtomic } from "../runs/folder/atomicFile";
import type { Figure, Part } from "./html";

/** `figures` is a folder next to the page. */
export function writeMarkdown(path: string, figures: string, parts: readonly Part[]): void {
  const usedNames = new Set<string>();
  const lines = parts.map((part) => {
    switch (part.kind) {
      case "heading":
        return `${"#".repeat(part.level)} ${escaped(part.text)}`;
      case "blocks":
        return markdownOf(part.blocks);
      case "figures":
        return part.figures
          .map((figure) => figureLines(figure, figures, usedNames, dirname(path)))
          .join("\n\n");
      case "texts":
        return markdownOf([textTable(part)]);
    }
  });
  writeAtomic(path, `${lines.join("\n\n")}\n`);
}

function figureLines(
  { name, picture, lines }: Figure,
  folder: string,
  usedNames: Set<string>,
  from: string,
): string {
  let uniqueName = name;
  for (let again = 2; usedNames.has(uniqueName); again++) uniqueName = `${name}-${again}`;
  usedNames.add(uniqueName);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${uniqueName}.svg`), svgOf(picture));
  writeFileSync(join(folder, `${uniqueName}.csv`), csvOf(lines));
  const linkFolder = dirname(folder) === from ? basename(folder) : folder;
  return `![${escaped(picture.title)}](<${linkFolder}/${uniqueName}.svg>)\n\n[numbers](<${linkFolder}/${uniqueName}.csv>)`;
}

function textTable({ texts }: Extract<Part, { kind: "texts" }>): Block {
  return {
    kind: "table",
    columns: ["prompt", ...texts.map(({ name }) => name)],
    rows: besideEachOther(texts).map(({ prompt, texts: uniqueName }) => [prompt, ...uniqueName]),
  };
}
