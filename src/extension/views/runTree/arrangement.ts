/** Which runs the tree shows, and in which order. Plain data, because the workspace remembers it. */
import type { RunSummary } from "../../../protocol/service/runs";
import { compareNewestFirst, isActive } from "../../../protocol/run";
import type { ProtocolMarks } from "../../../protocol/protocolMarks";
import { createFilterTerm } from "../../../protocol/runFilter";
import { compareHeadlineKinds, getHeadlineLoss } from "./headlineLoss";
import { getSeverity, shownStates } from "./runStates";

const maxFilterLength = 1000;

export const sortings = ["newest", "name", "loss", "state"] as const;
export type Sorting = (typeof sortings)[number];

export interface Arrangement {
  /** In the language of `protocol/runFilter.ts`; empty for all runs. */
  readonly filter: string;
  readonly sorting: Sorting;
}

export const defaultArrangement: Arrangement = { filter: "", sorting: "newest" };

const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

type Comparator = (a: RunSummary, b: RunSummary, marks?: ProtocolMarks) => number;

/** Every order ends with the newest first, so that it is one. */
const comparators: Readonly<Record<Sorting, Comparator>> = {
  newest: compareNewestFirst,
  name: (a, b) => byName.compare(a.name, b.name) || compareNewestFirst(a, b),
  // A run without a loss has none to be found by.
  loss: (a, b, marks) => {
    const [first, second] = [getHeadlineLoss(a), getHeadlineLoss(b)];
    return (
      compareHeadlineKinds(first, second) ||
      // What may not be compared is not sorted into each other.
      (first === undefined ? 0 : (marks?.compare(a, b, first.metric) ?? 0)) ||
      (first?.value ?? 0) - (second?.value ?? 0) ||
      compareNewestFirst(a, b)
    );
  },
  state: (a, b) =>
    Number(isActive(b)) - Number(isActive(a)) ||
    getSeverity(a.state) - getSeverity(b.state) ||
    compareNewestFirst(a, b),
};

export function getComparator(sorting: Sorting): Comparator {
  return comparators[sorting];
}

/** What the workspace remembers or a caller gives; anything strange in it is left out. */
export function parseArrangement(value: unknown): Arrangement {
  const { filter, sorting } = toRecord(value);
  return {
    filter: parseFilterText(filter),
    sorting: sortings.find((each) => each === sorting) ?? defaultArrangement.sorting,
  };
}

/** A filter's text, or its parts: `{ text, states, tags, star }`, as earlier versions remembered them. */
export function parseFilterText(value: unknown): string {
  if (typeof value === "string") return value.trim().slice(0, maxFilterLength);
  const { text, states, tags, star } = toRecord(value);
  const validStates = shownStates.filter((state) => toStrings(states).includes(state));
  const terms = [
    ...(typeof text === "string" && text.trim() !== "" ? [quoteText(text.trim().slice(0, 200))] : []),
    ...(validStates.length > 0 ? [createFilterTerm("state", validStates)] : []),
    ...(toStrings(tags).length > 0 ? [createFilterTerm("tag", toStrings(tags))] : []),
    ...(star === true ? [createFilterTerm("star", ["yes"])] : []),
  ];
  return terms.join(" ").slice(0, maxFilterLength);
}

/** Earlier versions looked for the whole text, with its spaces. */
function quoteText(text: string): string {
  return /[\s":<>=]/.test(text) ? `"${text.replaceAll('"', "")}"` : text;
}

function toRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function toStrings(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((each): each is string => typeof each === "string").slice(0, 100);
}
