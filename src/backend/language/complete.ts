/** Completions at a position of an experiment, even while its text does not parse. Derived from the schema alone. */
import * as z from "zod";
import { maxCharacters } from "../../protocol/cells";
import { actionKeys } from "../../schema/cellKeys";
import type { ExperimentSchema } from "../../schema/experiment";
import type { Completion, ExperimentText } from "../../protocol/service/experiments";
import { dataSets } from "../data/datasets/catalog";
import { namedTokenizers } from "../data/tokenizers/openTokenizer";
import { isMap, type PlainMap } from "../experiment/plainMap";
import { listOptions } from "../experiment/schemaWalk";
import { findCellAtOffset, type CellText, listCellTexts, TextPositions } from "./cellTexts";
import { type Cursor, locateCursor } from "./cursor";
import { getFacts, formatPlainValue, findTag } from "./schemaFacts";
import { joinCells, findMap, listAliases, type Target, resolveTarget } from "./schemaTarget";
import { createKeySnippet, escapeSnippet, createSectionSnippet, createSweepSnippet } from "./snippets";
import { listSweepPaths } from "./sweepPaths";

/** Names that the schema does not know, such as models on disk, relative to the folder that paths start from. */
export interface Surroundings {
  /** Models to start from, with their paths relative to the experiment. */
  baseModels(folder: string): readonly { readonly path: string; readonly title: string }[];
}

type Suggestion = Omit<Completion, "range">;

/** Names that are not in the schema. */
interface Names {
  models(): ReturnType<Surroundings["baseModels"]>;
  scales(): readonly string[];
}

function listScaleNames(allCells: () => PlainMap): Names["scales"] {
  return () => {
    const { scales } = allCells();
    return isMap(scales) ? Object.keys(scales) : [];
  };
}

export function complete(
  { file, text, offset }: ExperimentText & { readonly offset: number },
  schema: ExperimentSchema,
  surroundings: Surroundings = { baseModels: () => [] },
): Completion[] {
  if (text.length > maxCharacters) return [];
  const cells = listCellTexts(file, text);
  const here = findCellAtOffset(cells, offset);
  const cursor = here === undefined ? undefined : locateCursor(here.yaml, offset - here.start);
  if (here === undefined || cursor === undefined) return [];
  let all: PlainMap | undefined;
  const allCells = () => (all ??= joinCells(cells));
  const target = resolveTarget(schema, cursor.path, cursor.cell, allCells);
  if (target === undefined) return [];
  const models = () => {
    const { folder } = allCells();
    return surroundings.baseModels(typeof folder === "string" ? folder : ".");
  };
  const keys = listAvailableKeys(schema, cells, here, { cursor, target, allCells: allCells });
  const suggestions =
    keys === undefined
      ? createValueSuggestions(cursor, target, { models, scales: listScaleNames(allCells) })
      : createKeySuggestions({ cursor, target, allCells: allCells }, keys);
  const range = new TextPositions(text).range(here.start + cursor.start, here.start + cursor.end);
  return suggestions.map((suggestion) => ({ ...suggestion, range }));
}

type AvailableKeys = readonly (readonly [key: string, option: z.ZodType])[];

interface CompletionContext {
  readonly cursor: Cursor;
  readonly target: Target;
  readonly allCells: () => PlainMap;
}

/** The keys that may still be added; undefined if no map is allowed. */
function listAvailableKeys(
  schema: ExperimentSchema,
  cells: readonly CellText[],
  here: CellText,
  { cursor, target, allCells: allCells }: CompletionContext,
): AvailableKeys | undefined {
  const { path, variant } = target;
  const used = new Set(cursor.siblings.flatMap((key) => [key, ...listAliases(path[0], key)]));
  if (path.length === 0 && !variant) for (const key of listDeclaredBeside(cells, here)) used.add(key);
  const tag = findTag(target.schema);
  const map = findMap(target.here);
  const isSweep = path.length === 1 && path[0] === "sweep";
  const options: AvailableKeys | undefined = isSweep
    ? listSweepPaths(schema, allCells())
    : map instanceof z.ZodObject
      ? listOptions(map)
      : tag && [[tag.key, tag.option]];
  return options
    ?.filter(([key]) => !used.has(key))
    .map(([key, option]) => [key, key === tag?.key ? tag.option : option]);
}

/** Declarations appear once in a file; their keys begin a line. */
function listDeclaredBeside(cells: readonly CellText[], here: CellText): string[] {
  return cells
    .filter((each) => each !== here)
    .flatMap(({ yaml }) => [...yaml.matchAll(/^([a-z_]+)[ \t]*:/gm)].map(([, key]) => key!))
    .filter((key) => !isActionKey(key));
}

function createKeySuggestions(
  { cursor, target, allCells: allCells }: CompletionContext,
  keys: AvailableKeys,
): Suggestion[] {
  const { path, variant } = target;
  const snippet = (key: string, option: z.ZodType) => {
    if (path[0] === "sweep") return createSweepSnippet(key, option);
    // A section has its required keys in its cell; a variant only changes it.
    if (path.length === 0 && variant && isMap(allCells()[key])) return `${key}: {$1}`;
    return path.length === 0 && !variant && !cursor.flow
      ? createSectionSnippet(key, option)
      : createKeySnippet(key, option);
  };
  const isKey = cursor.part === "key" || path.length === 0 || cursor.isAlone;
  // After `key: ` a map begins on the next line, or in braces in flow style.
  const braces = cursor.flow || cursor.afterDash;
  return keys.map(([key, option]) => {
    const { type, description, fallback } = getFacts(option);
    const defaultText = fallback === undefined ? "" : `Default: \`${formatPlainValue(fallback)}\``;
    const snippetText = cursor.hasColon ? escapeSnippet(key) : snippet(key, option);
    return {
      label: key,
      kind: "key",
      insert: isKey ? snippetText : braces ? `{${snippetText}}` : `\n  ${snippetText}`,
      detail: type,
      documentation: [description, defaultText].filter(Boolean).join("\n\n"),
    };
  });
}

function isActionKey(key: string): boolean {
  return (actionKeys as readonly string[]).includes(key);
}

function createValueSuggestions(
  cursor: Cursor,
  { schema, path, variant }: Target,
  names: Names,
): Suggestion[] {
  if (cursor.part === "key" && !cursor.isAlone) return [];
  const { values: allowed, fallback, description } = getFacts(schema);
  const value = (snippetText: string, detail: string, documentation: string): Suggestion => {
    return { label: snippetText, kind: "value", insert: escapeSnippet(snippetText), detail, documentation };
  };
  const suggestions: Suggestion[] = allowed.map((each) => {
    const sets = path.join(".") === "data.dataset" ? dataSets[String(each)] : undefined;
    if (sets !== undefined)
      return value(formatPlainValue(each), sets.title, `${sets.purpose}\n\nLicense: ${sets.licence}`);
    return value(formatPlainValue(each), each === fallback ? "default" : "", description);
  });
  if (path.join(".") === "data.tokenizer")
    for (const name of namedTokenizers)
      suggestions.push(value(name, name === fallback ? "default" : "", description));
  if (path.join(".") === "base_model")
    for (const { path: model, title } of names.models())
      suggestions.push(value(formatPlainValue(model), title, description));
  if (path.join(".") === "scale")
    for (const name of names.scales()) suggestions.push(value(formatPlainValue(name), "", description));
  if (suggestions.length === 0 && fallback !== undefined && typeof fallback !== "object")
    suggestions.push(value(formatPlainValue(fallback), "default", description));
  if (variant && path.length > 0 && !allowed.includes(null))
    suggestions.push(value("null", "", "Removes the key in this variant."));
  return suggestions;
}
