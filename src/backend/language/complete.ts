/** What may be written at a place of an experiment, also while its text does not parse. From the schema alone. */
import { z } from "zod";
import { mostCharacters } from "../../protocol/cells";
import { actionKeys, type ExperimentSchema } from "../../protocol/experiment";
import type { Completion, ExperimentText } from "../../protocol/service/experiments";
import { dataSets } from "../data/datasets/catalog";
import { namedTokenizers } from "../data/tokenizers/openTokenizer";
import type { PlainMap } from "../experiment/plainMap";
import { optionsOf } from "../experiment/schemaWalk";
import { cellAtOffset, cellTexts, Places } from "./cellTexts";
import { type Cursor, cursorAt } from "./cursor";
import { factsOf, plainValue, tagOf } from "./schemaFacts";
import { joined, mapOf, sameAs, type Target, targetAt } from "./schemaTarget";
import { keySnippet, plainSnippet, sectionSnippet } from "./snippets";
import { sweepPaths } from "./sweepPaths";

/** What the schema does not know: names of things that lie about. */
export interface Surroundings {
  /** Models to start from, as the experiment would name them. */
  readonly baseModels: readonly { readonly path: string; readonly title: string }[];
}

type Suggestion = Omit<Completion, "range">;

export function complete(
  { file, text, offset }: ExperimentText & { readonly offset: number },
  schema: ExperimentSchema,
  surroundings: Surroundings = { baseModels: [] },
): Completion[] {
  if (text.length > mostCharacters) return [];
  const cells = cellTexts(file, text);
  const here = cellAtOffset(cells, offset);
  const cursor = here === undefined ? undefined : cursorAt(here.yaml, offset - here.start);
  if (here === undefined || cursor === undefined) return [];
  let all: PlainMap | undefined;
  const together = () => (all ??= joined(cells));
  const target = targetAt(schema, cursor.path, cursor.cell, together);
  if (target === undefined) return [];
  const declared = new Set(
    cells
      .filter((each) => each !== here)
      .flatMap(({ yaml }) => [...yaml.matchAll(topKeys)].map(([, key]) => key!)),
  );
  const suggestions =
    target.path[0] === "sweep" && target.path.length === 1
      ? sweepPaths(schema, together()).map(({ path, option }) => {
          const { fallback } = factsOf(option);
          const value =
            fallback === undefined || typeof fallback === "object" ? "" : plainSnippet(plainValue(fallback));
          return keySuggestion(path, option, `${path}: [\${1:${value}}]`);
        })
      : suggest(cursor, target, declared, surroundings);
  const range = new Places(text).range(here.start + cursor.start, here.start + cursor.end);
  return suggestions.map((suggestion) => ({ ...suggestion, range }));
}

/** Declarations stand once in a file; their keys begin a line. */
const topKeys = /^([a-z_]+)[ \t]*:/gm;

function suggest(
  cursor: Cursor,
  target: Target,
  declared: ReadonlySet<string>,
  surroundings: Surroundings,
): Suggestion[] {
  const map = mapOf(target.here);
  const isMap = map instanceof z.ZodObject || (map !== undefined && tagOf(map) !== undefined);
  if (!isMap) return cursor.part === "value" || cursor.alone ? values(target, surroundings) : [];
  const isTop = target.path.length === 0 && !target.variant;
  const keys = keysOf(map, cursor, target).filter(
    ([key]) => !isTop || isActionKey(key) || !declared.has(key),
  );
  const snippet = (key: string, option: z.ZodType) =>
    isTop && !cursor.flow ? sectionSnippet(key, option) : keySnippet(key, option);
  if (cursor.part === "key" || target.path.length === 0 || cursor.alone)
    return keys.map(([key, option]) =>
      keySuggestion(key, option, cursor.hasColon ? plainSnippet(key) : snippet(key, option)),
    );
  // After `key: ` a map begins on the next line, or between braces where lines mean nothing.
  const braces = cursor.flow || cursor.afterDash;
  return keys.map(([key, option]) =>
    keySuggestion(key, option, braces ? `{${snippet(key, option)}}` : `\n  ${snippet(key, option)}`),
  );
}

function keysOf(map: z.ZodType, cursor: Cursor, target: Target): readonly (readonly [string, z.ZodType])[] {
  const taken = new Set(cursor.siblings.flatMap((key) => [key, ...sameAs(target.path[0], key)]));
  const tag = tagOf(target.schema);
  const options =
    map instanceof z.ZodObject ? optionsOf(map) : tag === undefined ? [] : [[tag.key, tag.option] as const];
  return options
    .filter(([key]) => !taken.has(key))
    .map(([key, option]) => [key, key === tag?.key ? tag.option : option]);
}

function isActionKey(key: string): boolean {
  return (actionKeys as readonly string[]).includes(key);
}

function keySuggestion(key: string, option: z.ZodType, insert: string): Suggestion {
  const { type, description, fallback } = factsOf(option);
  const filled = fallback === undefined ? "" : `Default: ${plainValue(fallback)}`;
  return {
    label: key,
    kind: "key",
    insert,
    detail: type,
    documentation: [description, filled].filter(Boolean).join("\n\n"),
  };
}

function values({ schema, path, variant }: Target, { baseModels }: Surroundings): Suggestion[] {
  const { values: listed, fallback, description } = factsOf(schema);
  const value = (written: string, detail: string, documentation: string): Suggestion => {
    return { label: written, kind: "value", insert: plainSnippet(written), detail, documentation };
  };
  const suggestions: Suggestion[] = listed.map((each) => {
    const sets = path.join(".") === "data.dataset" ? dataSets[String(each)] : undefined;
    if (sets !== undefined)
      return value(plainValue(each), sets.title, `${sets.purpose}\n\nLicence: ${sets.licence}`);
    return value(plainValue(each), each === fallback ? "default" : "", description);
  });
  if (path.join(".") === "data.tokenizer")
    for (const name of namedTokenizers)
      suggestions.push(value(name, name === fallback ? "default" : "", description));
  if (path.join(".") === "base_model")
    for (const { path: model, title } of baseModels)
      suggestions.push(value(plainValue(model), title, description));
  if (suggestions.length === 0 && fallback !== undefined && typeof fallback !== "object")
    suggestions.push(value(plainValue(fallback), "default", description));
  if (variant && path.length > 0 && !listed.includes(null))
    suggestions.push(value("null", "", "Takes the key away in this variant."));
  return suggestions;
}
