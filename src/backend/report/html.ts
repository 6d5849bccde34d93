/** A page of blocks and figures in one file: it runs and loads nothing, and escapes all text. */
import type { Block, CellValue, NamedSamples } from "../../protocol/blocks";
import { alignSamples } from "../../protocol/blocks";
import { createFigurePicture } from "../../pictures/figurePicture";
import { renderSvg } from "../../pictures/svg";
import type { Picture } from "../../pictures/picture";
import { paperTheme } from "../../pictures/theme";

export interface Figure {
  /** The name of its files, without an extension. */
  readonly name: string;
  readonly picture: Picture;
  /** Its numbers as rows of a CSV file, starting with the header. */
  readonly lines: readonly (readonly string[])[];
}

export type Part =
  | { readonly kind: "heading"; readonly level: 1 | 2 | 3; readonly text: string }
  /** Sentences that a reader needs first. */
  | { readonly kind: "conclusions"; readonly sentences: readonly string[] }
  | { readonly kind: "facts"; readonly facts: readonly (readonly [name: string, value: string])[] }
  | { readonly kind: "blocks"; readonly blocks: readonly Block[] }
  /** Details that a reader opens. */
  | { readonly kind: "folded"; readonly title: string; readonly blocks: readonly Block[] }
  | { readonly kind: "figures"; readonly figures: readonly Figure[] }
  | { readonly kind: "texts"; readonly texts: readonly NamedSamples[] };

const style = `
  :root { color-scheme: light dark; --text: #1f2328; --muted: #59636e; --ground: #fff; --line: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    :root { --text: #e6edf3; --muted: #9198a1; --ground: #0d1117; --line: #3d444d; }
    /* Figures are drawn once, on white: lightness is reversed and hues stay. */
    .figures svg { filter: invert(0.93) hue-rotate(180deg); }
  }
  body { max-width: 1080px; margin: 32px auto; padding: 0 20px; color: var(--text); background: var(--ground);
    font: 14px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
  h1 { font-size: 24px; } h2 { margin-top: 36px; font-size: 19px; } h3 { font-size: 16px; }
  .wide { overflow-x: auto; overflow-wrap: normal; }
  .wide:focus-visible { outline: 2px solid; outline-offset: 2px; }
  table { margin: 8px 0 20px; border-collapse: collapse; font-variant-numeric: tabular-nums; }
  caption { padding: 6px 0; text-align: left; font-weight: 600; }
  th, td { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
  th { font-weight: 600; } td.number { text-align: right; white-space: nowrap; }
  /* Rows keep their names while a wide table scrolls. */
  th:first-child, td:first-child { position: sticky; left: 0; min-width: 90px; background: var(--ground); }
  .texts td, .texts th { min-width: 160px; max-width: 360px; white-space: pre-wrap; overflow-wrap: anywhere; }
  .conclusions { padding: 4px 16px 4px 34px; border-left: 4px solid var(--line); font-size: 15px; }
  .conclusions li { margin: 8px 0; }
  details { margin: 8px 0 20px; } summary { padding: 4px 0; cursor: pointer; }
  summary:focus-visible { outline: 2px solid; outline-offset: 2px; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; }
  dt { color: var(--muted); } dd { margin: 0; }
  .figures { display: flex; flex-wrap: wrap; gap: 20px; } .figures svg { max-width: 100%; height: auto; }
  @media (max-width: 640px) { body { margin: 16px auto; padding: 0 12px; } dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; } }
  @media print {
    body { margin: 0; max-width: none; } svg, tr { break-inside: avoid; }
    /* What is folded is printed too. */
    details::details-content { content-visibility: visible; block-size: auto; }
  }
`;

export function renderHtmlPage(title: string, parts: readonly Part[]): string {
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    // Even text that was interpreted as markup could do nothing here.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeText(title)}</title>`,
    `<style>${style}</style>`,
    "</head>",
    "<body>",
    "<main>",
    ...parts.map((part, i) => renderPart(part, `part-${i}`)),
    "</main>",
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

function renderPart(part: Part, id: string): string {
  switch (part.kind) {
    case "heading":
      return `<h${part.level}>${escapeText(part.text)}</h${part.level}>`;
    case "conclusions":
      return `<ul class="conclusions">${part.sentences.map((each) => `<li>${escapeText(each)}</li>`).join("")}</ul>`;
    case "facts":
      return `<dl>${part.facts.map(([name, value]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd>`).join("")}</dl>`;
    case "blocks":
      return renderBlocks(part.blocks, id);
    case "folded":
      return `<details><summary>${escapeText(part.title)}</summary>${renderBlocks(part.blocks, id)}</details>`;
    case "figures":
      return `<div class="figures">${part.figures.map(({ picture }, i) => renderSvg(picture, `${id}-${i}`)).join("\n")}</div>`;
    case "texts":
      return renderTexts(part.texts);
  }
}

function renderBlocks(blocks: readonly Block[], id: string): string {
  return blocks.map((block, i) => renderBlock(block, `${id}-${i}`)).join("\n");
}

function renderBlock(block: Block, id: string): string {
  switch (block.kind) {
    case "table":
      return renderTable(block.title, block.columns, block.rows);
    case "text":
      return `<p>${escapeText(block.text)}</p>`;
    case "samples":
      return renderTexts([{ name: block.title ?? "Text", samples: block.samples }]);
    case "figure": {
      const picture = createFigurePicture(block.data, {
        title: `${block.title}: ${block.caption}`,
        theme: paperTheme,
      });
      return `<div class="figures">${renderSvg(picture, id)}</div>`;
    }
    case "file":
      return `<p>${escapeText(block.label)}: <code>${escapeText(block.path)}</code></p>`;
  }
}

function renderTable(
  title: string | undefined,
  columns: readonly string[],
  rows: readonly (readonly CellValue[])[],
): string {
  const cell = (value: CellValue) => {
    const content = String(value ?? "–");
    return `<td${/^[−+\-\d]/.test(content) ? ' class="number"' : ""}>${escapeText(content)}</td>`;
  };
  return [
    `<div class="wide" tabindex="0" role="region" aria-label="${escapeText(title ?? "Table")}"><table>`,
    title === undefined ? "" : `<caption>${escapeText(title)}</caption>`,
    `<thead><tr>${columns.map((name) => `<th scope="col">${escapeText(name)}</th>`).join("")}</tr></thead>`,
    `<tbody>${rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n")}</tbody>`,
    "</table></div>",
  ].join("\n");
}

function renderTexts(all: readonly NamedSamples[]): string {
  const rows = alignSamples(all).map(
    ({ prompt, texts }) =>
      `<tr><th scope="row">${escapeText(prompt)}</th>${texts.map((each) => `<td>${escapeText(each ?? "–")}</td>`).join("")}</tr>`,
  );
  const names = ["Prompt", ...all.map(({ name }) => name)];
  return `<div class="wide texts" tabindex="0" role="region" aria-label="Texts"><table><thead><tr>${names
    .map((name) => `<th scope="col">${escapeText(name)}</th>`)
    .join("")}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>`;
}

function escapeText(raw: string): string {
  return raw
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
