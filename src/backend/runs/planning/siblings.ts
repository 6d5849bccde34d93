/** The runs that an experiment currently plans, and their values for a paper card. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { type Paper, paperSchema } from "../../../schema/paper";
import type { FoundRun, RunPlan, RunRecord } from "../../../protocol/run";
import type { LossProtocol } from "../../../protocol/lossProtocol";
import { LruCache } from "../../../protocol/lruCache";
import { describePoint, type RunFigures } from "../../card/figures";
import { findSweptRate } from "../../../statistics/sweptRate";
import { toCanonicalJson, computeStepKey } from "../../experiment/stepKey";
import { readBounded } from "../folder/boundedFile";
import { estimatePlan, type PlanEstimate } from "./estimate";
import { resolveInside } from "../folder/insideFolder";
import { readMetrics } from "../metrics/metricsReader";

/** Far above what metrics write. */
const maxEvaluationBytes = 8 * 2 ** 20;

export interface Sibling {
  readonly folder: string;
  readonly record: RunRecord;
}

/** For each plan, the newest finished run whose results depend on nothing that has changed since. */
export function findFinishedRuns(
  plans: readonly RunPlan[],
  runs: readonly FoundRun[],
  state: "done" | "pruned" = "done",
): (Sibling | undefined)[] {
  const done = runs
    .flatMap((run) => (run.record?.state === state ? [{ folder: run.folder, record: run.record }] : []))
    .sort((a, b) => b.record.createdAt.localeCompare(a.record.createdAt));
  const finished = new Map<string, Sibling>();
  for (const run of done) {
    const key = computeIdentity(run.record.plan);
    if (!finished.has(key)) finished.set(key, run);
  }
  // An identity is the hash of every step: most experiments have no pruned run to look for.
  return plans.map((plan) => (finished.size === 0 ? undefined : finished.get(computeIdentity(plan))));
}

/** Recorded keys include the version of the program, which does not identify the text. */
function computeIdentity(plan: RunPlan): string {
  const { experiment, variant, scale, seed, sweep, steps } = plan;
  const keys = steps
    .filter(({ action }) => action !== "report" && action !== "export")
    .map(({ index }) => computeStepKey(plan, index, { codeVersion: "" }));
  return toCanonicalJson({ experiment, variant, scale, seed, sweep, keys });
}

/** What the runs have read, in a sentence; empty if none has recorded it. */
export function describeDataRead(records: readonly Pick<RunRecord, "dataTitle">[]): string {
  const titles = [...new Set(records.flatMap(({ dataTitle }) => dataTitle ?? []))];
  return titles.length === 0 ? "" : `Data read: ${titles.join("; ")}.`;
}

/** What an experiment states about its publication, as each of its runs records it. */
export function findPaper(plans: readonly RunPlan[]): Paper | undefined {
  return plans.map(({ paper }) => paperSchema.safeParse(paper).data).find((paper) => paper !== undefined);
}

export async function readFigures({ folder, record }: Sibling): Promise<RunFigures> {
  const { plan, summary, counts, workspace } = record;
  const { lines } = await readMetrics(join(folder, "metrics.jsonl"));
  const trained = lines.filter((line) => Number.isFinite(line["train/loss"]));
  const last = trained.at(-1);
  // A single batch is noise: the training loss is the mean over the last tenth of the steps.
  const late = trained
    .filter(({ step }) => step > 0.9 * (last?.step ?? 0))
    .map((line) => line["train/loss"]!);
  const train = late.length === 0 ? undefined : late.reduce((sum, loss) => sum + loss, 0) / late.length;
  const validation = summary["eval/loss"]?.last ?? summary["perplexity/loss"]?.last;
  const perplexity =
    summary["perplexity/token"]?.last ?? (validation === undefined ? undefined : Math.exp(validation));
  const estimate = await estimateCached(plan, workspace ?? folder);
  const planned = planFigures(plan, estimate);
  const trainedSteps = Math.max(record.progress?.step ?? 0, last?.step ?? 0);
  return {
    ...planned,
    tokens: lines.findLast((line) => line.tokens !== undefined)?.tokens ?? 0,
    ...countWork(planned, trainedSteps),
    ...findProtocols(record),
    ...readRemarks(folder, plan),
    values: {
      // The last values that metrics recorded, under their own names.
      ...Object.fromEntries(Object.entries(summary).map(([name, { last }]) => [name, last])),
      ...listSizes(estimate),
      ...createOptionalEntry("parameters/non_embedding", counts?.nonEmbedding.stored),
      ...createOptionalEntry("parameters/total", counts?.total.stored),
      ...createOptionalEntry("parameters/bits", counts?.total.bits),
      ...createOptionalEntry("train/loss", train),
      ...createOptionalEntry("eval/loss", validation),
      ...createOptionalEntry("perplexity", perplexity),
    },
  };
}

/** Training may have ended early: what counts is what was trained. */
function countWork(
  { steps: planned, flops }: Pick<RunFigures, "steps" | "flops">,
  steps: number,
): Pick<RunFigures, "steps" | "flops"> {
  if (flops === undefined || planned === undefined || planned === 0) return { steps };
  return { steps, flops: steps < planned ? (flops * steps) / planned : flops };
}

/** Under the names of a card, which takes one loss for another where only that was measured. */
function findProtocols({ losses, summary }: RunRecord): Pick<RunFigures, "protocols"> {
  if (losses === undefined) return {};
  const [validation, perplexity] = [losses["eval/loss"], losses["perplexity/loss"]];
  const isTrained = summary["eval/loss"] !== undefined;
  return {
    protocols: {
      ...losses,
      ...createEntry("eval/loss", isTrained ? validation : perplexity),
      ...createEntry("perplexity", summary["perplexity/token"] === undefined ? validation : perplexity),
    },
  };
}

function createEntry(name: string, protocol: LossProtocol | undefined): Record<string, LossProtocol> {
  return protocol === undefined ? {} : { [name]: protocol };
}

const savingsSchema = z.object({
  savings: z.object({ details: z.object({ reasons: z.array(z.string()) }) }),
});

/** From the last evaluation of the model that was actually saved. */
function readRemarks(folder: string, { steps }: Pick<RunPlan, "steps">): Pick<RunFigures, "remarks"> {
  for (const { index, action, options } of steps.toReversed()) {
    if (action !== "evaluate" || !("savings" in options)) continue;
    const text = readIfExists(resolveInside(folder, `steps/${index}-evaluate/eval.json`));
    const savings = text === undefined ? undefined : savingsSchema.safeParse(JSON.parse(text));
    return savings?.success === true ? { remarks: savings.data.savings.details.reasons } : {};
  }
  return {};
}

/** The files of a run's steps may have been deleted: its metrics remain in its record. */
function readIfExists(path: string): string | undefined {
  return existsSync(path) ? readBounded(path, maxEvaluationBytes) : undefined;
}

/** For a plan that has not been run, as far as its text determines the sizes. */
export async function estimateFigures(plan: RunPlan, workspace: string): Promise<RunFigures> {
  const estimate = await estimateCached(plan, workspace);
  return { ...planFigures(plan, estimate), values: listSizes(estimate) };
}

function createOptionalEntry<K extends string>(
  key: K,
  value: number | undefined,
): { readonly [key in K]?: number } {
  return value === undefined || !Number.isFinite(value) ? {} : ({ [key]: value } as { [key in K]: number });
}

function planFigures(plan: RunPlan, estimate: PlanEstimate | undefined): Omit<RunFigures, "values"> {
  const { variant, scale, seed, sweep, model } = plan;
  const flops = estimate?.steps.reduce<number | undefined>(
    (sum, { training }) =>
      training === undefined
        ? sum
        : sum === undefined || training.steps === undefined
          ? undefined
          : sum + training.steps * training.flopsPerStep,
    0,
  );
  const steps = estimate?.steps.reduce<number | undefined>(
    (sum, { training }) =>
      training === undefined ? sum : sum === undefined ? undefined : addDefined(sum, training.steps),
    0,
  );
  const size = (...keys: readonly string[]) => {
    // A compressed model may have fewer layers than the cells specify.
    const config = estimate?.config ?? model;
    const value = keys.map((key) => config?.[key]).find((each) => typeof each === "number");
    return value;
  };
  const rate = findSweptRate(sweep)?.value;
  const [layers, intermediateSize] = [
    size("num_hidden_layers", "n_layer"),
    size("intermediate_size", "n_inner"),
  ];
  return {
    variant,
    scale,
    seed,
    point: describePoint(sweep),
    ...(rate === undefined ? {} : { rate }),
    ...(flops === undefined || flops === 0 ? {} : { flops }),
    ...(steps === undefined ? {} : { steps }),
    ...(estimate === undefined
      ? {}
      : { stored: { before: estimate.stored.before, after: estimate.stored.after } }),
    ...(layers === undefined ? {} : { layers }),
    ...(intermediateSize === undefined ? {} : { intermediateSize }),
  };
}

function addDefined(sum: number, more: number | undefined): number | undefined {
  return more === undefined ? undefined : sum + more;
}

function listSizes(estimate: PlanEstimate | undefined): RunFigures["values"] {
  const counts = estimate?.steps.at(-1)?.counts ?? estimate?.before;
  return counts === undefined
    ? {}
    : {
        "parameters/non_embedding": counts.nonEmbedding.stored,
        "parameters/total": counts.total.stored,
        "parameters/bits": counts.total.bits,
      };
}

/** Seeds change no size; building the graph of a large model takes a second. */
const estimates = new LruCache<Promise<PlanEstimate | undefined>>({ limit: 100 });

function estimateCached(plan: RunPlan, workspace: string): Promise<PlanEstimate | undefined> {
  const { model, baseModel, folder, data, steps } = plan;
  const actions = steps.map(({ action, options }) => ({ action, options }));
  const key = toCanonicalJson({ workspace, model, baseModel, folder, data, actions });
  // If a size depends on a text, or a file is missing, the row leaves it empty.
  return estimates.getOrCreate(key, () => estimatePlan(plan, workspace).catch(() => undefined));
}
