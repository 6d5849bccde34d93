/**
 * Lenses above the cells before anything runs: the size of the model, the effect of compression, the cost of
 * training.
 */
import type { ModelCounts } from "../../protocol/counts";
import { WorkbenchError } from "../../protocol/errors";
import type { ActionKey } from "../../schema/cellKeys";
import { trainSchema } from "../../schema/experiment";
import { formatBytes, formatCount, formatFlops, formatPercent } from "../../protocol/quantities";
import type { RunPlan } from "../../protocol/run";
import type { Lens } from "../../protocol/service/experiments";
import type { Experiment, Section } from "../experiment/experiment";
import type { PlanEstimate, TrainingEstimate } from "../runs/planning/estimate";
import type { TextSize } from "../runs/planning/textSize";
import { createDataLens } from "./dataLens";
import type { ExperimentAnalysis } from "./diagnose";
import { findStepCells } from "./stepCells";

/** Estimates a plan, or throws the reason why that is not possible. */
export type Estimate = (plan: RunPlan) => Promise<PlanEstimate>;

/** How much text a plan names; undefined if that is not known without reading it. */
export type MeasureText = (plan: RunPlan) => Promise<TextSize | undefined>;

/** As many are estimated; the Parameters panel shows more. */
const maxVariants = 32;
/** More different lenses than that on a line become one, which gives their range. */
const maxRows = 3;

export async function createLenses(
  { experiment, plans }: ExperimentAnalysis,
  estimate: Estimate,
  measureText?: MeasureText,
): Promise<Lens[]> {
  // The first run of a sweep represents the variant.
  const first = new Map<string, RunPlan>();
  for (const plan of plans) if (!first.has(plan.variant)) first.set(plan.variant, plan);
  const plansShown = [...first.values()].slice(0, maxVariants);
  const estimates: PlanFacts[] = [];
  for (const plan of plansShown) estimates.push(await collectFacts(experiment, plan, estimate));
  const runs = plans.length;
  const lenses = findPlaces(experiment).flatMap((place) =>
    createLensesAt(place, estimates, { variants: first.size, runs }),
  );
  const parameters = Math.max(0, ...estimates.map(({ estimate: each }) => each?.before.total.trainable ?? 0));
  const dataLens = await createDataLens(experiment, plansShown, parameters, measureText);
  return dataLens === undefined ? lenses : [...lenses, dataLens].sort((a, b) => a.line - b.line);
}

interface PlanFacts {
  readonly plan: RunPlan;
  readonly cells: readonly number[];
  /** As far as the steps can be executed. */
  readonly estimate?: PlanEstimate;
  /** Why nothing more is known. */
  readonly reason?: string;
}

async function collectFacts(experiment: Experiment, plan: RunPlan, estimate: Estimate): Promise<PlanFacts> {
  const cells = findStepCells(experiment, plan);
  const { found, reason } = await tryEstimate(plan, estimate);
  if (reason === undefined) return { plan, cells, estimate: found };
  // A method may refuse the model, whose own size is still known.
  for (let steps = plan.steps.length - 1; steps >= 0; steps--) {
    const before = await tryEstimate({ ...plan, steps: plan.steps.slice(0, steps) }, estimate);
    if (before.reason === undefined) return { plan, cells, reason, estimate: before.found };
  }
  return { plan, cells, reason };
}

type EstimateResult =
  | { readonly found: PlanEstimate; readonly reason?: undefined }
  | { readonly found?: undefined; readonly reason: string };

/** A refusal is a reason; other errors, such as a cancelled request, are passed on. */
async function tryEstimate(plan: RunPlan, estimate: Estimate): Promise<EstimateResult> {
  try {
    return { found: await estimate(plan) };
  } catch (thrown) {
    if (thrown instanceof WorkbenchError && thrown.code !== "cancelled") return { reason: thrown.message };
    throw thrown;
  }
}

interface Place {
  readonly what: "model" | ActionKey;
  readonly cell: number;
  readonly line: number;
}

/** One row of lenses per cell and kind, however many methods its list has. */
function findPlaces({ declarations, actions }: Experiment): Place[] {
  const { model, base_model: base, variants } = declarations;
  const place = (what: Place["what"], section: Section): Place => {
    const line = section.find([], "key")?.line;
    return { what, cell: section.cell, line: line ?? 1 };
  };
  const first = model ?? base ?? variants;
  const lensPlaces = first === undefined ? [] : [place("model", first)];
  for (const action of actions) {
    if (action.key !== "train" && action.key !== "compress") continue;
    if (!lensPlaces.some(({ what, cell }) => what === action.key && cell === action.cell))
      lensPlaces.push(place(action.key, action));
  }
  return lensPlaces.sort((a, b) => a.line - b.line);
}

interface LensText {
  readonly title: string;
  readonly tooltip: string;
  /** What a single lens for many variants gives the range of. */
  readonly measure?: {
    readonly value: number;
    readonly format: (value: number) => string;
    readonly unit: string;
  };
}

function createLensesAt(
  place: Place,
  estimates: readonly PlanFacts[],
  { variants, runs }: { variants: number; runs: number },
): Lens[] {
  const rows: LensRow[] = [];
  for (const each of estimates) {
    const text = place.what === "model" ? describeModel(each) : describeAction(each, place);
    if (text === undefined) continue;
    const same = rows.find((row) => row.text.title === text.title);
    if (same === undefined) rows.push({ text: text, variants: [each.plan.variant] });
    else same.variants.push(each.plan.variant);
  }
  const swept = runs > variants ? "\n\nFor each variant, the first run of the sweep." : "";
  const { line, cell } = place;
  if (rows.length > maxRows) return [{ line, cell, ...summarize(rows, variants, swept) }];
  return rows.map(({ text: { title, tooltip }, variants: names }) => {
    const isAll = names.length === estimates.length && estimates.length === variants;
    const label = isAll || names.join("") === "" ? "" : `${formatNames(names)}: `;
    return {
      line,
      cell,
      title: escapeIcons(`${label}${title}`),
      tooltip: (label === "" || names.length <= maxRows ? "" : `${names.join(", ")}\n\n`) + tooltip + swept,
      ...(names[0] === "" || names[0] === undefined ? {} : { variant: names[0] }),
    };
  });
}

interface LensRow {
  readonly text: LensText;
  readonly variants: string[];
}

/** One lens for many variants: the range of what each costs, and all of them in the tooltip. */
function summarize(
  rows: readonly LensRow[],
  variants: number,
  swept: string,
): Pick<Lens, "title" | "tooltip" | "variants"> {
  const names = rows.flatMap((row) => row.variants);
  const measures = rows.flatMap(({ text }) => text.measure ?? []).sort((a, b) => a.value - b.value);
  const [least, most] = [measures[0], measures.at(-1)];
  const range =
    least === undefined || most === undefined
      ? "sizes not known yet"
      : `${least.format(least.value)} – ${most.format(most.value)} ${most.unit}`;
  const lines = rows.map(({ text, variants: each }) => `${each.join(", ")}: ${text.title}`);
  const rest = variants > maxVariants ? `\n\nThe first ${maxVariants} of ${variants} variants.` : "";
  return {
    title: `${names.length} variants: ${range}`,
    tooltip: `${lines.join("\n")}${rest}${swept}`,
    variants: names,
  };
}

function formatNames(names: readonly string[]): string {
  return names.length <= maxRows
    ? names.join(", ")
    : `${names.slice(0, maxRows - 1).join(", ")} and ${names.length - maxRows + 1} more`;
}

function describeModel({ estimate, reason }: PlanFacts): LensText {
  if (estimate === undefined) return describeUnknown(reason);
  const { before, family, steps } = estimate;
  const trainings = steps.flatMap(({ training }) => (training === undefined ? [] : [training]));
  const most = Math.max(0, ...trainings.map(sumMemory));
  const training = most === 0 ? "" : ` · ${formatBytes(most)} to train`;
  return {
    title: `${formatCount(before.nonEmbedding.stored)} non-embedding · ${formatBytes(before.total.bytes)}${training}`,
    tooltip: `${family}: ${formatCounts(before)}${most === 0 ? "" : `\n\n${memoryText}`}`,
    measure: { value: before.nonEmbedding.stored, format: formatCount, unit: "non-embedding" },
  };
}

const memoryText =
  "Memory to train: weights, moments and gradients, plus the peak of a step of the actual graph.";

function describeAction(
  { plan, cells, estimate, reason }: PlanFacts,
  { what, cell }: Place,
): LensText | undefined {
  const ownSteps = plan.steps.filter(({ action, index }) => action === what && cells[index] === cell);
  const [first, last] = [ownSteps[0], ownSteps.at(-1)];
  // A variant may not have the action.
  if (first === undefined || last === undefined) return undefined;
  const after = estimate?.steps[last.index];
  if (estimate === undefined) return describeUnknown(reason);
  // A method that refuses this model gives the reason.
  if (after === undefined) return { title: truncate(reason ?? ""), tooltip: reason ?? "" };
  if (what === "train")
    return after.training === undefined ? undefined : describeTraining(after.training, first.options);
  const before = first.index === 0 ? estimate.before : estimate.steps[first.index - 1]!.counts;
  const [from, to] = [before.nonEmbedding.stored, after.counts.nonEmbedding.stored];
  return {
    title: `${formatCount(from)} → ${formatCount(to)} non-embedding (${formatPercent(from === 0 ? 0 : to / from)}) · ${formatBytes(before.total.bytes)} → ${formatBytes(after.counts.total.bytes)}`,
    tooltip: `Before: ${formatCounts(before)}\n\nAfter: ${formatCounts(after.counts)}`,
    measure: { value: to, format: formatCount, unit: "non-embedding" },
  };
}

function describeTraining(
  training: TrainingEstimate,
  options: RunPlan["steps"][number]["options"],
): LensText {
  const { steps, tokensPerStep, flopsPerStep, stateBytes, workingBytes } = training;
  const tokens = `${formatCount(tokensPerStep)} tokens`;
  const epochs = trainSchema.safeParse(options).data?.num_train_epochs;
  const length =
    steps === undefined
      ? `${epochs ?? "?"} epochs, ${tokens} per step`
      : `${formatCount(steps)} steps of ${tokens}`;
  const why =
    steps === undefined
      ? "\n\nThe number of steps depends on the text, which is not read before the run."
      : "";
  return {
    title: `${length} · ${formatBytes(sumMemory(training))} · ${formatFlops(flopsPerStep)} per step`,
    tooltip: `${formatBytes(stateBytes)} of state (weights, moments, gradients), plus up to ${formatBytes(workingBytes)} during a step.${why}`,
    measure: { value: flopsPerStep, format: formatFlops, unit: "per step" },
  };
}

/** An editor interprets $(…) as an icon. */
function escapeIcons(title: string): string {
  return title.replaceAll("$(", "$ (");
}

function describeUnknown(reason = "it cannot be estimated"): LensText {
  return { title: `Size not known yet: ${truncate(reason)}`, tooltip: reason };
}

function truncate(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99).trimEnd()}…` : text;
}

function sumMemory({ stateBytes, workingBytes }: TrainingEstimate): number {
  return stateBytes + workingBytes;
}

function formatCounts({ nonEmbedding, total }: ModelCounts): string {
  return [
    `${formatCount(nonEmbedding.stored)} parameters without embeddings, ${formatCount(total.stored)} in all`,
    `${formatCount(total.trainable)} trainable, ${formatCount(total.nonZero)} not zero`,
    `${formatCount(total.bits)} bits stored, ${formatBytes(total.bytes)}`,
  ].join("; ");
}
