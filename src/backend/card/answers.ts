/** Answers a card's questions from the runs, over the seeds that two variants share. No answer is stored. */
import type { Paper } from "../../schema/paper";
import { type Group, getValue } from "./figures";
import { findBrokenPremise } from "./premises";
import { decideOutcome } from "./outcome";
import { type Estimate, computeEstimate } from "../../statistics/studentT";

export type Question = Paper["questions"][number];

export interface Answer {
  readonly question: Question;
  readonly answer: "yes" | "no" | "not decided" | "not comparable";
  readonly own?: Estimate;
  readonly other?: Estimate;
  /** The variant minus the one it is compared with, seed by seed. */
  readonly difference?: Estimate;
  /** Why the question is not decided, or its runs not comparable. */
  readonly reason?: string;
}

export function answerQuestion(question: Question, groups: readonly Group[]): Answer {
  const { variant, against, quantity } = question;
  // A point of a sweep has its own name.
  const [own, other] = [variant, against].map(
    (requested) =>
      groups.find(({ name }) => name === requested) ?? groups.find((group) => group.variant === requested),
  );
  const ambiguous = [variant, against].filter(
    (requested) =>
      !groups.some(({ name }) => name === requested) &&
      groups.filter((group) => group.variant === requested).length > 1,
  );
  if (ambiguous.length > 0)
    return {
      question,
      answer: "not decided",
      reason: `${ambiguous.join(" and ")} has several points of a sweep; the question has to name one`,
    };
  const first = indexBySeed(own, quantity);
  const second = indexBySeed(other, quantity);
  const seeds = [...first.keys()].filter((seed) => second.has(seed));
  if (seeds.length === 0) {
    const missing = [first.size === 0 ? variant : [], second.size === 0 ? against : []].flat();
    const reason =
      missing.length > 0
        ? `no finished run of ${missing.join(" and ")}`
        : `${variant} and ${against} have no seed in common`;
    return { question, answer: "not decided", reason };
  }
  const broken = seeds
    .map((seed) => findBrokenPremise(findSeed(own!, seed), findSeed(other!, seed), question))
    .find((each) => each !== undefined);
  if (broken !== undefined) return { question, answer: "not comparable", reason: broken };
  const estimate = (values: ReadonlyMap<number, number>) =>
    computeEstimate(seeds.map((seed) => values.get(seed)!));
  // The same seed draws the same batches for both, so the effect of the batches on the loss cancels.
  const difference = computeEstimate(seeds.map((seed) => first.get(seed)! - second.get(seed)!));
  const estimates = { question, own: estimate(first), other: estimate(second), difference };
  if (difference.half === undefined)
    return { ...estimates, answer: "not decided", reason: "a single seed has no spread" };
  const standing = decideOutcome(difference, question);
  if (standing === "better" || standing === "as good") return { ...estimates, answer: "yes" };
  if (standing === "worse") return { ...estimates, answer: "no" };
  return {
    ...estimates,
    answer: "not decided",
    reason: "the spread of the seeds is wider than the difference",
  };
}

function findSeed({ name, runs }: Group, seed: number) {
  return { name, run: runs.find((run) => run.seed === seed)! };
}

function indexBySeed(group: Group | undefined, quantity: Question["quantity"]): ReadonlyMap<number, number> {
  return new Map(
    (group?.runs ?? []).flatMap((run) => {
      const value = getValue(run, quantity, undefined);
      return value === undefined ? [] : [[run.seed, value] as const];
    }),
  );
}

/** Whether a difference is larger than the variation between seeds; undefined for a single seed. */
export function exceedsSpread({ mean, half }: Estimate): boolean | undefined {
  return half === undefined ? undefined : Math.abs(mean) > half;
}
