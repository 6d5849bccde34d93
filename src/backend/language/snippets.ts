/** The text of a completion: a key with the most likely value, as a snippet with tab stops. */
import * as z from "zod";
import { unwrap, listOptions, getSchemaAt } from "../experiment/schemaWalk";
import { getFacts, isRequired, formatPlainValue, findTag } from "./schemaFacts";
import { findMap } from "./schemaTarget";

/** Escapes text for use in a snippet. */
export function escapeSnippet(text: string): string {
  return text.replace(/[\\$}]/g, "\\$&");
}

/** The start of a new section, if nothing in it is required. */
const beginnings: Readonly<Record<string, string>> = {
  data: 'text: ["${1:**/*.txt}"]',
  train: "max_steps: ${1:1000}",
};

/** Counts the tab stops of one snippet. */
class TabStops {
  #count = 0;

  addEmpty(): string {
    return `$${++this.#count}`;
  }

  addDefault(value: unknown): string {
    return `\${${++this.#count}:${escapeSnippet(formatPlainValue(value))}}`;
  }

  addChoice(values: readonly unknown[]): string {
    const words = values.map((value) => escapeSnippet(formatPlainValue(value)).replace(/[,|]/g, "\\$&"));
    return words.length === 1 ? words[0]! : `\${${++this.#count}|${words.join(",")}|}`;
  }
}

/** A section is a key of a cell: its content is on separate lines. Elsewhere maps are written in braces. */
export function createSectionSnippet(key: string, option: z.ZodType): string {
  const inside = beginnings[key] ?? createMapSnippet(option, new TabStops());
  return inside === undefined ? createKeySnippet(key, option) : `${key}:\n  ${inside}`;
}

export function createKeySnippet(key: string, option: z.ZodType): string {
  // A tab stop at the very end needs no mark: the cursor ends there anyway.
  return createPair(key, option, new TabStops()).replace(/: \$1$/, ": ");
}

/** A sweep lists values by path. */
export function createSweepSnippet(path: string, option: z.ZodType): string {
  const { fallback } = getFacts(option);
  const tabStops = new TabStops();
  return `${path}: [${fallback === undefined || typeof fallback === "object" ? tabStops.addEmpty() : tabStops.addDefault(fallback)}]`;
}

function createPair(key: string, option: z.ZodType, tabStops: TabStops): string {
  const inside = createMapSnippet(option, tabStops);
  const value = inside === undefined ? createValueSnippet(option, tabStops) : `{${inside}}`;
  return `${escapeSnippet(formatPlainValue(key))}: ${value}`;
}

function createValueSnippet(option: z.ZodType, tabStops: TabStops): string {
  const { values, fallback } = getFacts(option);
  const choice = values.filter((value) => value !== null);
  if (choice.length > 0) {
    const first = choice.filter((value) => value === fallback);
    return tabStops.addChoice([...first, ...choice.filter((value) => value !== fallback)]);
  }
  if (fallback !== undefined && typeof fallback !== "object") return tabStops.addDefault(fallback);
  const list = getSchemaAt(option, [], []);
  if (!(list instanceof z.ZodArray)) return tabStops.addEmpty();
  // Patterns often begin with a star, which has another meaning in YAML.
  return isText(unwrap(list.element as z.ZodType))
    ? `["${tabStops.addEmpty()}"]`
    : `[${tabStops.addEmpty()}]`;
}

/** The first of several kinds is the simplest. */
function isText(schema: z.ZodType): boolean {
  return schema instanceof z.ZodUnion
    ? isText(unwrap(schema.options[0] as z.ZodType))
    : schema instanceof z.ZodString;
}

/** The start of a new map; undefined if the option is not a map. */
function createMapSnippet(option: z.ZodType, tabStops: TabStops): string | undefined {
  const map = findMap(option);
  if (map === undefined) return undefined;
  const tag = findTag(map);
  if (tag !== undefined) return `${tag.key}: ${tabStops.addChoice(tag.values)}`;
  if (map instanceof z.ZodRecord) return tabStops.addEmpty();
  if (!(map instanceof z.ZodObject)) return undefined;
  const options = listOptions(map);
  const needed = options.filter(([, option]) => isRequired(option));
  if (needed.length > 0) return needed.map(([name, option]) => createPair(name, option, tabStops)).join(", ");
  // A map of maps chooses one of them: a method, a metric.
  const entries = options.filter(([, option]) => findMap(option) instanceof z.ZodObject);
  if (entries.length > 0 && entries.length === options.length) {
    const names = entries.map(([name]) => name);
    return `${tabStops.addChoice(names)}: {${tabStops.addEmpty()}}`;
  }
  return tabStops.addEmpty();
}
