/** Explains a word of an experiment in Markdown. All of it comes from the schema, none from the text. */
import type { z } from "zod";
import { maxCharacters } from "../../protocol/cells";
import type { ExperimentSchema } from "../../schema/experiment";
import { listRecipeDifferences, recipeNames, recipes } from "../../schema/recipe";
import type { ExperimentText, TextRange } from "../../protocol/service/experiments";
import { dataSets } from "../data/datasets/catalog";
import type { PlainMap } from "../experiment/plainMap";
import { isMap } from "../experiment/plainMap";
import { findCellAtOffset, listCellTexts, TextPositions } from "./cellTexts";
import { parseLooseDocument, toPlainValue, type Spot, listSpots } from "./looseYaml";
import { getFacts, formatPlainValue, findTag } from "./schemaFacts";
import { joinCells, findMap, type Target, resolveTarget } from "./schemaTarget";
import { formatCode } from "./typeText";

export interface Hover {
  readonly range: TextRange;
  readonly markdown: string;
}

export function createHover(
  { file, text, offset }: ExperimentText & { readonly offset: number },
  schema: ExperimentSchema,
): Hover | undefined {
  if (text.length > maxCharacters) return undefined;
  const cells = listCellTexts(file, text);
  const here = findCellAtOffset(cells, offset);
  const root = here === undefined ? undefined : parseLooseDocument(here.yaml)?.contents;
  const spot = here === undefined ? undefined : findSpot(root, offset - here.start);
  if (here === undefined || spot === undefined) return undefined;
  const plain = toPlainValue(root);
  const cell = isMap(plain) ? plain : {};
  const target = findTarget(spot, schema, cell, () => joinCells(cells));
  if (target === undefined) return undefined;
  const [from, to] = spot.scalar.range;
  return {
    range: new TextPositions(text).range(here.start + from, here.start + to),
    markdown: renderMarkdown(target, { ...joinCells(cells), ...cell }),
  };
}

function findSpot(root: unknown, offset: number): Spot | undefined {
  for (const spot of listSpots(root)) {
    const [from, to] = spot.scalar.range;
    if (offset >= from && offset <= to && to > from) return spot;
  }
  return undefined;
}

/** A value is explained by its key; an entry of a list by the key of the list. */
function findTarget(
  { part, path, scalar }: Spot,
  schema: ExperimentSchema,
  cell: PlainMap,
  all: () => PlainMap,
): Target | undefined {
  const fullPath = part === "key" ? [...path, String(scalar.value)] : path;
  const keyPath = fullPath.slice(0, fullPath.findLastIndex((step) => typeof step === "string") + 1);
  if (keyPath.length === 0 || (["variants", "scales"].includes(String(keyPath[0])) && keyPath.length === 2))
    return undefined;
  // A swept path is explained by the option it refers to; `train.1.max_steps` refers to one of several trainings.
  if (keyPath[0] === "sweep" && keyPath.length === 2) {
    const swept = String(keyPath[1])
      .split(".")
      .filter((step) => !/^\d+$/.test(step));
    return resolveTarget(schema, swept, all(), all);
  }
  return resolveTarget(schema, keyPath, cell, all);
}

function renderMarkdown({ schema, path, variant }: Target, cells: PlainMap): string {
  const { description, type, fallback, values } = getFacts(schema);
  const key = path.filter((step) => typeof step === "string").join(".");
  const choice = findTag(schema);
  const facts = [
    `Type: ${values.length > 0 ? values.map(formatCode).join(", ") : type}`,
    ...(fallback === undefined ? [] : [`Default: ${formatCode(formatPlainValue(fallback))}`]),
    ...(choice === undefined ? [] : [`\`${choice.key}\`: ${choice.values.map(formatCode).join(", ")}`]),
    ...describeSource(path, schema, cells),
    ...listRecipeNotes(key, cells),
    ...(variant ? ["`null` removes the key in this variant."] : []),
  ];
  const sets =
    key === "data.dataset"
      ? Object.entries(dataSets).map(([id, { title, licence }]) => `- \`${id}\`: ${title} (${licence})`)
      : [];
  return [`**${formatCode(key)}**`, description, ...facts.map((fact) => fact), sets.join("\n")]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** The value of an option in the cells' recipe; for the key itself, the differences between the recipes. */
function listRecipeNotes(key: string, cells: PlainMap): string[] {
  if (key === "recipe")
    return [
      listRecipeDifferences()
        .map(
          ({ path, paper, fixed }) => `- ${formatCode(path)}: ${formatValue(paper)} or ${formatValue(fixed)}`,
        )
        .join("\n"),
    ];
  const name = recipeNames.find((each) => each === cells.recipe);
  const [cell, option = ""] = key.split(".");
  if (name === undefined || (cell !== "data" && cell !== "train")) return [];
  const value = recipes[name][cell][option];
  return value === undefined
    ? []
    : [`With ${formatCode(`recipe: ${name}`)}, unless it is specified: ${formatValue(value)}`];
}

const formatValue = (value: unknown) => (value === undefined ? "–" : formatCode(formatPlainValue(value)));

/** The catalog entry that an option belongs to: the options of entries differ. */
function describeSource(path: Target["path"], schema: z.ZodType, cells: PlainMap): string[] {
  const [head, entry] = path;
  if (path.length < 2 || typeof head !== "string") return [];
  const section = cells[head];
  for (const [of, tag] of [
    ["model", "model_type"],
    ["export", "format"],
  ] as const)
    if (head === of && entry !== tag) {
      const tagValue = isMap(section) ? section[tag] : undefined;
      return typeof tagValue === "string" && /^[\w.-]{1,40}$/.test(tagValue)
        ? [`Of \`${tag}: ${tagValue}\``]
        : [];
    }
  if (path.length < 3 || findMap(schema) === undefined) return [];
  const names = path.slice(0, -1).filter((step) => typeof step === "string");
  return [`Of \`${names.join(".")}\``];
}
