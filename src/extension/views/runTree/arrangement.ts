/** Which runs the tree shows, and in which order. Plain data, because the workspace remembers it. */
import type { RunSummary } from "../../../protocol/service/runs";
import { isActive } from "../../../protocol/run";
import { getLastLoss, getSeverity, type ShownState, shownStates, statePresentations } from "./runStates";

export const sortings = ["newest", "name", "loss", "state"] as const;
export type Sorting = (typeof sortings)[number];

/** All that is given has to hold; of several states or tags one is enough. */
export interface RunFilter {
  /** Part of the name, the id, the variant, a tag or the notes, whatever its case. */
  readonly text?: string;
  readonly states?: readonly ShownState[];
  readonly tags?: readonly string[];
  readonly star?: boolean;
}

export interface Arrangement {
  readonly filter: RunFilter;
  readonly sorting: Sorting;
}

export const defaultArrangement: Arrangement = { filter: {}, sorting: "newest" };

export function isFiltering({ text = "", states = [], tags = [], star = false }: RunFilter): boolean {
  return text !== "" || states.length > 0 || tags.length > 0 || star;
}

export function matchesFilter(run: RunSummary, filter: RunFilter): boolean {
  const { text = "", states = [], tags = [], star = false } = filter;
  if (star && !run.star) return false;
  if (states.length > 0 && !states.includes(run.state)) return false;
  if (tags.length > 0 && !run.tags.some((tag) => tags.includes(tag))) return false;
  if (text === "") return true;
  const query = text.toLowerCase();
  return [run.name, run.id, run.variant, run.notes, ...run.tags].some((each) =>
    each.toLowerCase().includes(query),
  );
}

/** The filter in words, for the line above the tree. */
export function describeFilter({ text = "", states = [], tags = [], star = false }: RunFilter): string {
  const joinAlternatives = (words: readonly string[]) => words.join(" or ");
  return [
    ...(text === "" ? [] : [`“${text}”`]),
    ...(states.length === 0 ? [] : [joinAlternatives(states.map((state) => statePresentations[state].word))]),
    ...(tags.length === 0 ? [] : [joinAlternatives(tags.map((tag) => `#${tag}`))]),
    ...(star ? ["starred"] : []),
  ].join(", ");
}

const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const newestFirst = (a: RunSummary, b: RunSummary): number =>
  compareText(b.createdAt, a.createdAt) || compareText(b.id, a.id);

/** Every order ends with the newest first, so that it is one. */
const comparators: Readonly<Record<Sorting, (a: RunSummary, b: RunSummary) => number>> = {
  newest: newestFirst,
  name: (a, b) => byName.compare(a.name, b.name) || newestFirst(a, b),
  // A run without a loss has none to be found by.
  loss: (a, b) => (getLastLoss(a) ?? Infinity) - (getLastLoss(b) ?? Infinity) || newestFirst(a, b),
  state: (a, b) =>
    Number(isActive(b)) - Number(isActive(a)) ||
    getSeverity(a.state) - getSeverity(b.state) ||
    newestFirst(a, b),
};

export function getComparator(sorting: Sorting): (a: RunSummary, b: RunSummary) => number {
  return comparators[sorting];
}

/** What the workspace remembers or a caller gives; anything strange in it is left out. */
export function parseArrangement(value: unknown): Arrangement {
  const { filter, sorting } = toRecord(value);
  return {
    filter: parseFilter(filter),
    sorting: sortings.find((each) => each === sorting) ?? defaultArrangement.sorting,
  };
}

export function parseFilter(value: unknown): RunFilter {
  const { text, states, tags, star } = toRecord(value);
  const validStates = shownStates.filter((state) => toStrings(states).includes(state));
  return {
    ...(typeof text === "string" && text !== "" ? { text: text.slice(0, 200) } : {}),
    ...(validStates.length > 0 ? { states: validStates } : {}),
    ...(toStrings(tags).length > 0 ? { tags: toStrings(tags) } : {}),
    ...(star === true ? { star } : {}),
  };
}

function toRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function toStrings(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((each): each is string => typeof each === "string").slice(0, 100);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
