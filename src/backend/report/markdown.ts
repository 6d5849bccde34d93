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
  const taken = new Set<string>();
  const lines = parts.map((part) => {
    switch (part.kind) {
      case "heading":
        return `${"#".repeat(part.level)} ${escaped(part.text)}`;
      case "blocks":
        return markdownOf(part.blocks);
      case "figures":
        return part.figures.map((figure) => figureLines(figure, figures, taken, dirname(path))).join("\n\n");
      case "texts":
        return markdownOf([textTable(part)]);
    }
  });
  writeAtomic(path, `${lines.join("\n\n")}\n`);
}

function figureLines(
  { name, picture, lines }: Figure,
  folder: string,
  taken: Set<string>,
  from: string,
): string {
  let own = name;
  for (let again = 2; taken.has(own); again++) own = `${name}-${again}`;
  taken.add(own);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${own}.svg`), svgOf(picture));
  writeFileSync(join(folder, `${own}.csv`), csvOf(lines));
  const beside = dirname(folder) === from ? basename(folder) : folder;
  return `![${escaped(picture.title)}](<${beside}/${own}.svg>)\n\n[numbers](<${beside}/${own}.csv>)`;
}

function textTable({ texts }: Extract<Part, { kind: "texts" }>): Block {
  return {
    kind: "table",
    columns: ["prompt", ...texts.map(({ name }) => name)],
    rows: besideEachOther(texts).map(({ prompt, texts: own }) => [prompt, ...own]),
  };
}
