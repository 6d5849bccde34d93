/** What two runs must have in common before their numbers are compared: the resources a control equalizes, and the measure. */
import { formatCount } from "../../protocol/quantities";
import { describeProtocol, isSameProtocol } from "../../protocol/lossProtocol";
import type { Premise } from "../../schema/paper";
import type { RunFigures } from "./figures";

export interface PremiseRule {
  readonly quantity: string;
  readonly equal: Premise | readonly Premise[];
  /** Largest difference that still counts as equal, as a share of the smaller one. */
  readonly equal_within: number;
}

interface NamedRun {
  readonly name: string;
  readonly run: RunFigures;
}

const resources: Readonly<
  Record<Premise, { readonly title: string; readonly get: (run: RunFigures) => number | undefined }>
> = {
  flops: { title: "training FLOPs", get: ({ flops }) => flops },
  steps: { title: "training steps", get: ({ steps }) => steps },
  tokens: { title: "training tokens", get: ({ tokens }) => tokens },
  bits: { title: "stored bits", get: ({ values }) => values["parameters/bits"] },
  parameters: {
    title: "non-embedding parameters",
    get: ({ values }) => values["parameters/non_embedding"],
  },
};

/** Why the two may not be compared, with the numbers of both; undefined if they may. */
export function findBrokenPremise(own: NamedRun, other: NamedRun, rule: PremiseRule): string | undefined {
  for (const premise of [rule.equal].flat()) {
    const { title, get } = resources[premise];
    const values = [get(own.run), get(other.run)];
    const [first, second] = values;
    if (first === undefined || second === undefined)
      return `equal ${title} are presupposed, but those of ${first === undefined ? own.name : other.name} are not known`;
    const difference = Math.abs(first - second) / Math.min(first, second);
    if (difference <= rule.equal_within) continue;
    return `equal ${title} are presupposed, but ${own.name} has ${formatResource(premise, first)} and ${other.name} has ${formatResource(premise, second)} (${(100 * difference).toFixed(1)} % more; ${100 * rule.equal_within} % is allowed)`;
  }
  return findDifferentMeasure(own, other, rule.quantity);
}

/** Losses of different text, or by different protocols, are different quantities. */
export function findDifferentMeasure(own: NamedRun, other: NamedRun, quantity: string): string | undefined {
  const [first, second] = [own.run, other.run].map((run) => run.protocols?.[toMeasured(quantity)]);
  if (first === undefined || second === undefined || isSameProtocol(first, second)) return undefined;
  return `${quantity} of ${own.name} was measured on ${describeProtocol(first)}, and of ${other.name} on ${describeProtocol(second)}`;
}

/** The loss that a quantity is computed from. */
function toMeasured(quantity: string): string {
  return quantity === "loss_gap" ? "eval/loss" : quantity;
}

function formatResource(premise: Premise, value: number): string {
  return premise === "flops" ? value.toExponential(2) : formatCount(Math.round(value));
}
