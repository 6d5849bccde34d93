/** The outline of an experiment, even while it is broken: title, variants, cells with their keys. */
import { isMap } from "yaml";
import { basename } from "node:path";
import { removeExperimentEnding } from "../../protocol/fileName";
import { splitLines } from "../../protocol/cells";
import { type ActionKey, actionKeys, type CellKey, declarationKeys } from "../../schema/cellKeys";
import type { ExperimentText, Outline, OutlineCell } from "../../protocol/service/experiments";
import { type CellText, listCellTexts, isYamlFile, TextPositions } from "./cellTexts";
import type { ExperimentAnalysis } from "./diagnose";
import { getKeyName, parseLooseDocument, parsePlainCell } from "./looseYaml";

const topKeys: ReadonlySet<string> = new Set([...declarationKeys, ...actionKeys]);
const actions: ReadonlySet<string> = new Set(actionKeys);

export function createOutline(document: ExperimentText, { faults, plans }: ExperimentAnalysis): Outline {
  const cells = listCellTexts(document.file, document.text);
  return {
    ...createOutlineHead(document, cells),
    cells: cells.map(createOutlineCell),
    ...(faults.length === 0 ? { runs: plans.length } : {}),
    faults: faults.length,
  };
}

/** The part of the outline that needs no parsing of values. */
export function createOutlineHead(
  { file, text }: ExperimentText,
  cells: readonly CellText[] = listCellTexts(file, text),
): Pick<Outline, "title" | "variants"> {
  return { title: findTitle(file, text, cells), variants: listVariants(text, cells) };
}

function createOutlineCell({ index, firstLine, lastLine, yaml }: CellText): OutlineCell {
  const plain = parsePlainCell(yaml);
  const keys = Object.keys(plain).filter((key): key is CellKey => topKeys.has(key));
  // A list of methods is one action per method.
  const each = keys.flatMap((key) => {
    const value = plain[key];
    return actions.has(key)
      ? new Array<string>(key === "compress" && Array.isArray(value) ? value.length : 1).fill(key)
      : [];
  });
  return { index, firstLine, lastLine, keys, actions: each as ActionKey[] };
}

/** The first heading of the prose, otherwise the file's name. */
function findTitle(file: string, text: string, cells: readonly CellText[]): string {
  const name = removeExperimentEnding(basename(file));
  if (isYamlFile(file)) return name;
  let cell = 0;
  for (const [index, { start, end }] of splitLines(text).entries()) {
    while (cell < cells.length && cells[cell]!.lastLine <= index) cell++;
    if (cell < cells.length && cells[cell]!.firstLine <= index + 1) continue;
    const heading = /^\uFEFF? {0,3}#{1,6}[ \t]+(.*)$/.exec(text.slice(start, end))?.[1]?.trim();
    if (heading !== undefined && heading !== "") return heading.replace(/[ \t]#+$/, "");
  }
  return name;
}

function listVariants(text: string, cells: readonly CellText[]): Outline["variants"] {
  const positions = new TextPositions(text);
  for (const { start, yaml } of cells) {
    if (!/\bvariants\b/.test(yaml)) continue;
    const root = parseLooseDocument(yaml)?.contents;
    const variants = isMap(root) ? root.get("variants", true) : undefined;
    if (!isMap(variants)) continue;
    return variants.items.flatMap(({ key }) => {
      const name = getKeyName(key);
      const offset = (key as { range?: readonly number[] } | null)?.range?.[0];
      return name === undefined || offset === undefined
        ? []
        : [{ name, line: positions.range(start + offset, start + offset).line }];
    });
  }
  return [];
}
