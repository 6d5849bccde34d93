/** Explains a word of an experiment in Markdown. All of it comes from the schema, none from the text. */
import type { z } from "zod";
import { mostCharacters } from "../../protocol/cells";
import type { ExperimentSchema } from "../../schema/experiment";
import { recipeDifferences, recipeNames, recipes } from "../../schema/recipe";
import type { ExperimentText, TextRange } from "../../protocol/service/experiments";
import { dataSets } from "../data/datasets/catalog";
import type { PlainMap } from "../experiment/plainMap";
import { isMap } from "../experiment/plainMap";
import { cellAtOffset, cellTexts, Places } from "./cellTexts";
import { looseDocument, plainOf, type Spot, spots } from "./looseYaml";
import { factsOf, plainValue, tagOf } from "./schemaFacts";
import { joined, mapOf, type Target, targetAt } from "./schemaTarget";
import { code } from "./typeText";

export interface Hover {
  readonly range: TextRange;
  readonly markdown: string;
}

export function hover(
  { file, text, offset }: ExperimentText & { readonly offset: number },
  schema: ExperimentSchema,
): Hover | undefined {
  if (text.length > mostCharacters) return undefined;
  const cells = cellTexts(file, text);
  const here = cellAtOffset(cells, offset);
  const root = here === undefined ? undefined : looseDocument(here.yaml)?.contents;
  const spot = here === undefined ? undefined : spotAt(root, offset - here.start);
  if (here === undefined || spot === undefined) return undefined;
  const plain = plainOf(root);
  const cell = isMap(plain) ? plain : {};
  const found = meant(spot, schema, cell, () => joined(cells));
  if (found === undefined) return undefined;
  const [from, to] = spot.scalar.range;
  return {
    range: new Places(text).range(here.start + from, here.start + to),
    markdown: markdownOf(found, { ...joined(cells), ...cell }),
  };
}

function spotAt(root: unknown, offset: number): Spot | undefined {
  for (const spot of spots(root)) {
    const [from, to] = spot.scalar.range;
    if (offset >= from && offset <= to && to > from) return spot;
  }
  return undefined;
}

/** A value is explained by its key; an entry of a list by the key of the list. */
function meant(
  { part, path, scalar }: Spot,
  schema: ExperimentSchema,
  cell: PlainMap,
  all: () => PlainMap,
): Target | undefined {
  const own = part === "key" ? [...path, String(scalar.value)] : path;
  const named = own.slice(0, own.findLastIndex((step) => typeof step === "string") + 1);
  if (named.length === 0 || (["variants", "scales"].includes(String(named[0])) && named.length === 2))
    return undefined;
  // A swept path is explained by the option it refers to; `train.1.max_steps` refers to one of several trainings.
  if (named[0] === "sweep" && named.length === 2) {
    const swept = String(named[1])
      .split(".")
      .filter((step) => !/^\d+$/.test(step));
    return targetAt(schema, swept, all(), all);
  }
  return targetAt(schema, named, cell, all);
}

function markdownOf({ schema, path, variant }: Target, cells: PlainMap): string {
  const { description, type, fallback, values } = factsOf(schema);
  const key = path.filter((step) => typeof step === "string").join(".");
  const choice = tagOf(schema);
  const facts = [
    `Type: ${values.length > 0 ? values.map(code).join(", ") : type}`,
    ...(fallback === undefined ? [] : [`Default: ${code(plainValue(fallback))}`]),
    ...(choice === undefined ? [] : [`\`${choice.key}\`: ${choice.values.map(code).join(", ")}`]),
    ...sourceOf(path, schema, cells),
    ...recipeSays(key, cells),
    ...(variant ? ["`null` removes the key in this variant."] : []),
  ];
  const sets =
    key === "data.dataset"
      ? Object.entries(dataSets).map(([id, { title, licence }]) => `- \`${id}\`: ${title} (${licence})`)
      : [];
  return [`**${code(key)}**`, description, ...facts.map((fact) => fact), sets.join("\n")]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** The value of an option in the cells' recipe; for the key itself, the differences between the recipes. */
function recipeSays(key: string, cells: PlainMap): string[] {
  if (key === "recipe")
    return [
      recipeDifferences()
        .map(({ path, paper, fixed }) => `- ${code(path)}: ${shown(paper)} or ${shown(fixed)}`)
        .join("\n"),
    ];
  const name = recipeNames.find((each) => each === cells.recipe);
  const [cell, option = ""] = key.split(".");
  if (name === undefined || (cell !== "data" && cell !== "train")) return [];
  const value = recipes[name][cell][option];
  return value === undefined
    ? []
    : [`With ${code(`recipe: ${name}`)}, unless it is specified: ${shown(value)}`];
}

const shown = (value: unknown) => (value === undefined ? "–" : code(plainValue(value)));

/** The catalog entry that an option belongs to: the options of entries differ. */
function sourceOf(path: Target["path"], schema: z.ZodType, cells: PlainMap): string[] {
  const [head, entry] = path;
  if (path.length < 2 || typeof head !== "string") return [];
  const section = cells[head];
  for (const [of, tag] of [
    ["model", "model_type"],
    ["export", "format"],
  ] as const)
    if (head === of && entry !== tag) {
      const chosen = isMap(section) ? section[tag] : undefined;
      return typeof chosen === "string" && /^[\w.-]{1,40}$/.test(chosen) ? [`Of \`${tag}: ${chosen}\``] : [];
    }
  if (path.length < 3 || mapOf(schema) === undefined) return [];
  const names = path.slice(0, -1).filter((step) => typeof step === "string");
  return [`Of \`${names.join(".")}\``];
}
