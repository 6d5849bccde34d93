/** The runs that an experiment means as it stands, and what each of them tells a paper card. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { type Paper, paperSchema } from "../../../schema/paper";
import type { FoundRun, RunPlan, RunRecord } from "../../../protocol/run";
import { LruCache } from "../../../protocol/lruCache";
import type { RunFigures } from "../../card/figures";
import { sweptRate } from "../../../statistics/sweptRate";
import { canonicalJson, stepKey } from "../../experiment/stepKey";
import { readBounded } from "../folder/boundedFile";
import { estimatePlan, type PlanEstimate } from "./estimate";
import { insideFolder } from "../folder/insideFolder";
import { readMetrics } from "../metrics/metricsReader";

/** Far above what metrics write. */
const mostEvaluationBytes = 8 * 2 ** 20;

export interface Sibling {
  readonly folder: string;
  readonly record: RunRecord;
}

/** Of each plan the newest finished run whose results depend on nothing that has changed since. */
export function finishedRuns(plans: readonly RunPlan[], found: readonly FoundRun[]): (Sibling | undefined)[] {
  const done = found
    .flatMap((run) => (run.record?.state === "done" ? [{ folder: run.folder, record: run.record }] : []))
    .sort((a, b) => b.record.createdAt.localeCompare(a.record.createdAt));
  const known = new Map<string, Sibling>();
  for (const run of done) {
    const key = identityOf(run.record.plan);
    if (!known.has(key)) known.set(key, run);
  }
  return plans.map((plan) => known.get(identityOf(plan)));
}

/** The keys that were written down know the version of the program too, which says nothing about the text. */
function identityOf(plan: RunPlan): string {
  const { experiment, variant, scale, seed, sweep, steps } = plan;
  const keys = steps
    .filter(({ action }) => action !== "report" && action !== "export")
    .map(({ index }) => stepKey(plan, index, { codeVersion: "" }));
  return canonicalJson({ experiment, variant, scale, seed, sweep, keys });
}

/** What an experiment says of its publication, as every of its runs carries it. */
export function paperOf(plans: readonly RunPlan[]): Paper | undefined {
  return plans.map(({ paper }) => paperSchema.safeParse(paper).data).find((paper) => paper !== undefined);
}

export async function figuresOf({ folder, record }: Sibling): Promise<RunFigures> {
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
  const estimate = await estimated(plan, workspace ?? folder);
  return {
    ...knownBefore(plan, estimate),
    tokens: last?.tokens ?? 0,
    ...remarksOf(folder, plan),
    values: {
      // What metrics recorded last, under their own names.
      ...Object.fromEntries(Object.entries(summary).map(([name, { last }]) => [name, last])),
      ...sizes(estimate),
      ...present("parameters/non_embedding", counts?.nonEmbedding.stored),
      ...present("parameters/total", counts?.total.stored),
      ...present("parameters/bits", counts?.total.bits),
      ...present("train/loss", train),
      ...present("eval/loss", validation),
      ...present("perplexity", perplexity),
    },
  };
}

const savingsSchema = z.object({
  savings: z.object({ details: z.object({ reasons: z.array(z.string()) }) }),
});

/** Of the last evaluation that measured what was really saved. */
function remarksOf(folder: string, { steps }: Pick<RunPlan, "steps">): Pick<RunFigures, "remarks"> {
  for (const { index, action, options } of steps.toReversed()) {
    if (action !== "evaluate" || !("savings" in options)) continue;
    const text = readIfThere(insideFolder(folder, `steps/${index}-evaluate/eval.json`));
    const found = text === undefined ? undefined : savingsSchema.safeParse(JSON.parse(text));
    return found?.success === true ? { remarks: found.data.savings.details.reasons } : {};
  }
  return {};
}

/** A run may have been cleaned of what its steps wrote: its numbers stand in its record. */
function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readBounded(path, mostEvaluationBytes) : undefined;
}

/** Of a plan that has not been run, as far as its sizes follow from the text. */
export async function plannedFigures(plan: RunPlan, workspace: string): Promise<RunFigures> {
  const estimate = await estimated(plan, workspace);
  return { ...knownBefore(plan, estimate), values: sizes(estimate) };
}

function present<K extends string>(key: K, value: number | undefined): { readonly [key in K]?: number } {
  return value === undefined || !Number.isFinite(value) ? {} : ({ [key]: value } as { [key in K]: number });
}

function knownBefore(plan: RunPlan, estimate: PlanEstimate | undefined): Omit<RunFigures, "values"> {
  const { variant, scale, seed, sweep, model } = plan;
  const point = Object.entries(sweep).filter(([path]) => path !== "seed");
  const flops = estimate?.steps.reduce<number | undefined>(
    (sum, { training }) =>
      training === undefined
        ? sum
        : sum === undefined || training.steps === undefined
          ? undefined
          : sum + training.steps * training.flopsPerStep,
    0,
  );
  const size = (...keys: readonly string[]) => {
    // What was shrunk may have fewer layers than the cells say.
    const config = estimate?.config ?? model;
    const value = keys.map((key) => config?.[key]).find((each) => typeof each === "number");
    return value;
  };
  const rate = sweptRate(sweep)?.value;
  const [layers, intermediateSize] = [
    size("num_hidden_layers", "n_layer"),
    size("intermediate_size", "n_inner"),
  ];
  return {
    variant,
    scale,
    seed,
    point: point.map(([path, value]) => `${path} ${JSON.stringify(value)}`).join(", "),
    ...(rate === undefined ? {} : { rate }),
    ...(flops === undefined || flops === 0 ? {} : { flops }),
    ...(estimate === undefined
      ? {}
      : { stored: { before: estimate.stored.before, after: estimate.stored.after } }),
    ...(layers === undefined ? {} : { layers }),
    ...(intermediateSize === undefined ? {} : { intermediateSize }),
  };
}

function sizes(estimate: PlanEstimate | undefined): RunFigures["values"] {
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

function estimated(plan: RunPlan, workspace: string): Promise<PlanEstimate | undefined> {
  const { model, baseModel, folder, data, steps } = plan;
  const actions = steps.map(({ action, options }) => ({ action, options }));
  const key = canonicalJson({ workspace, model, baseModel, folder, data, actions });
  // Where a size follows from a text, or a file is gone, the row says so by what it lacks.
  return estimates.getOrCreate(key, () => estimatePlan(plan, workspace).catch(() => undefined));
}
