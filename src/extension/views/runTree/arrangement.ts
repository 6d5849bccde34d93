/** Which runs the tree shows, and in which order. Plain data, because the workspace remembers it. */
import type { RunSummary } from "../../../protocol/service/runs";
import { isActive } from "../../../protocol/run";
import { lastLoss, severity, type ShownState, shownStates, stateFaces } from "./runStates";

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

export const unarranged: Arrangement = { filter: {}, sorting: "newest" };

export function isFiltering({ text = "", states = [], tags = [], star = false }: RunFilter): boolean {
  return text !== "" || states.length > 0 || tags.length > 0 || star;
}

export function matches(run: RunSummary, filter: RunFilter): boolean {
  const { text = "", states = [], tags = [], star = false } = filter;
  if (star && !run.star) return false;
  if (states.length > 0 && !states.includes(run.state)) return false;
  if (tags.length > 0 && !run.tags.some((tag) => tags.includes(tag))) return false;
  if (text === "") return true;
  const wanted = text.toLowerCase();
  return [run.name, run.id, run.variant, run.notes, ...run.tags].some((each) =>
    each.toLowerCase().includes(wanted),
  );
}

/** The filter in words, for the line above the tree. */
export function filterWords({ text = "", states = [], tags = [], star = false }: RunFilter): string {
  const either = (words: readonly string[]) => words.join(" or ");
  return [
    ...(text === "" ? [] : [`“${text}”`]),
    ...(states.length === 0 ? [] : [either(states.map((state) => stateFaces[state].word))]),
    ...(tags.length === 0 ? [] : [either(tags.map((tag) => `#${tag}`))]),
    ...(star ? ["starred"] : []),
  ].join(", ");
}

const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const newestFirst = (a: RunSummary, b: RunSummary): number =>
  ascending(b.createdAt, a.createdAt) || ascending(b.id, a.id);

/** Every order ends with the newest first, so that it is one. */
const orders: Readonly<Record<Sorting, (a: RunSummary, b: RunSummary) => number>> = {
  newest: newestFirst,
  name: (a, b) => byName.compare(a.name, b.name) || newestFirst(a, b),
  // A run without a loss has none to be found by.
  loss: (a, b) => (lastLoss(a) ?? Infinity) - (lastLoss(b) ?? Infinity) || newestFirst(a, b),
  state: (a, b) =>
    Number(isActive(b)) - Number(isActive(a)) || severity(a.state) - severity(b.state) || newestFirst(a, b),
};

export function orderOf(sorting: Sorting): (a: RunSummary, b: RunSummary) => number {
  return orders[sorting];
}

/** What the workspace remembers or a caller gives; anything strange in it is left out. */
export function parseArrangement(value: unknown): Arrangement {
  const { filter, sorting } = record(value);
  return {
    filter: parseFilter(filter),
    sorting: sortings.find((known) => known === sorting) ?? unarranged.sorting,
  };
}

export function parseFilter(value: unknown): RunFilter {
  const { text, states, tags, star } = record(value);
  const known = shownStates.filter((state) => strings(states).includes(state));
  return {
    ...(typeof text === "string" && text !== "" ? { text: text.slice(0, 200) } : {}),
    ...(known.length > 0 ? { states: known } : {}),
    ...(strings(tags).length > 0 ? { tags: strings(tags) } : {}),
    ...(star === true ? { star } : {}),
  };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function strings(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((each): each is string => typeof each === "string").slice(0, 100);
}

function ascending(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
