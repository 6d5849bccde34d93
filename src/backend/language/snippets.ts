/** The text of a completion: a key with the most likely value, as a snippet with tab stops. */
import * as z from "zod";
import { unwrap, optionsOf, schemaAt } from "../experiment/schemaWalk";
import { factsOf, isRequired, plainValue, tagOf } from "./schemaFacts";
import { mapOf } from "./schemaTarget";

/** Escapes text for use in a snippet. */
export function plainSnippet(text: string): string {
  return text.replace(/[\\$}]/g, "\\$&");
}

/** The start of a new section, if nothing in it is required. */
const beginnings: Readonly<Record<string, string>> = {
  data: 'text: ["${1:**/*.txt}"]',
  train: "max_steps: ${1:1000}",
};

/** Counts the tab stops of one snippet. */
class Gaps {
  #count = 0;

  empty(): string {
    return `$${++this.#count}`;
  }

  filled(value: unknown): string {
    return `\${${++this.#count}:${plainSnippet(plainValue(value))}}`;
  }

  chosen(values: readonly unknown[]): string {
    const words = values.map((value) => plainSnippet(plainValue(value)).replace(/[,|]/g, "\\$&"));
    return words.length === 1 ? words[0]! : `\${${++this.#count}|${words.join(",")}|}`;
  }
}

/** A section is a key of a cell: its content is on separate lines. Elsewhere maps are written in braces. */
export function sectionSnippet(key: string, option: z.ZodType): string {
  const inside = beginnings[key] ?? insideOf(option, new Gaps());
  return inside === undefined ? keySnippet(key, option) : `${key}:\n  ${inside}`;
}

export function keySnippet(key: string, option: z.ZodType): string {
  // A tab stop at the very end needs no mark: the cursor ends there anyway.
  return pair(key, option, new Gaps()).replace(/: \$1$/, ": ");
}

/** A sweep lists values by path. */
export function sweepSnippet(path: string, option: z.ZodType): string {
  const { fallback } = factsOf(option);
  const gaps = new Gaps();
  return `${path}: [${fallback === undefined || typeof fallback === "object" ? gaps.empty() : gaps.filled(fallback)}]`;
}

function pair(key: string, option: z.ZodType, gaps: Gaps): string {
  const inside = insideOf(option, gaps);
  const value = inside === undefined ? valueSnippet(option, gaps) : `{${inside}}`;
  return `${plainSnippet(plainValue(key))}: ${value}`;
}

function valueSnippet(option: z.ZodType, gaps: Gaps): string {
  const { values, fallback } = factsOf(option);
  const choice = values.filter((value) => value !== null);
  if (choice.length > 0) {
    const first = choice.filter((value) => value === fallback);
    return gaps.chosen([...first, ...choice.filter((value) => value !== fallback)]);
  }
  if (fallback !== undefined && typeof fallback !== "object") return gaps.filled(fallback);
  const list = schemaAt(option, [], []);
  if (!(list instanceof z.ZodArray)) return gaps.empty();
  // Patterns often begin with a star, which has another meaning in YAML.
  return isText(unwrap(list.element as z.ZodType)) ? `["${gaps.empty()}"]` : `[${gaps.empty()}]`;
}

/** The first of several kinds is the simplest. */
function isText(schema: z.ZodType): boolean {
  return schema instanceof z.ZodUnion
    ? isText(unwrap(schema.options[0] as z.ZodType))
    : schema instanceof z.ZodString;
}

/** The start of a new map; undefined if the option is not a map. */
function insideOf(option: z.ZodType, gaps: Gaps): string | undefined {
  const map = mapOf(option);
  if (map === undefined) return undefined;
  const tag = tagOf(map);
  if (tag !== undefined) return `${tag.key}: ${gaps.chosen(tag.values)}`;
  if (map instanceof z.ZodRecord) return gaps.empty();
  if (!(map instanceof z.ZodObject)) return undefined;
  const options = optionsOf(map);
  const needed = options.filter(([, option]) => isRequired(option));
  if (needed.length > 0) return needed.map(([name, option]) => pair(name, option, gaps)).join(", ");
  // A map of maps chooses one of them: a method, a metric.
  const entries = options.filter(([, option]) => mapOf(option) instanceof z.ZodObject);
  if (entries.length > 0 && entries.length === options.length) {
    const names = entries.map(([name]) => name);
    return `${gaps.chosen(names)}: {${gaps.empty()}}`;
  }
  return gaps.empty();
}
