/** `lathe plan FILE`: what would run, how large it gets and how long it takes. Nothing is trained or written. */
import { measureProduct, plainProduct } from "../../backend/bench/productRate";
import type { DataSummary } from "../../backend/data/dataSet";
import { formatDataLines } from "../../backend/data/summaryText";
import { toCanonicalJson } from "../../backend/experiment/stepKey";
import { openEngine } from "../../backend/engine/open";
import { describeTarget } from "../../backend/exports/hub/pushRequest";
import {
  estimatePlan,
  type PlanEstimate,
  type SizeChange,
  type StepEstimate,
  type TrainingEstimate,
} from "../../backend/runs/planning/estimate";
import { groupByBracket } from "../../backend/runs/halving/bracket";
import { requirePushes } from "../../backend/runs/planning/pushes";
import { readIfCached } from "../../backend/runs/planning/shortData";
import { resolveExperimentFolder } from "../../backend/runs/steps/workshop";
import { describeSavings } from "../../backend/training/memorySavings";
import type { DeviceName } from "../../schema/device";
import { dataSchema } from "../../schema/experiment";
import { countProcesses } from "../../schema/parallel";
import { toWorkbenchError } from "../../protocol/errors";
import type { RunPlan } from "../../protocol/run";
import { defineCommand } from "../command";
import { formatCountsTable } from "../countsTable";
import { formatProcessMemory } from "../processMemoryText";
import { describeRungs } from "../halving";
import { loadPlansFromHere } from "../loadPlansFromHere";
import { type PlanOptions, planOptions } from "../planOptions";
import { formatBytes, formatCount, formatDuration } from "../../protocol/quantities";
import { toPlainLine, type Terminal } from "../terminal";

/** Share of the rate of plain products that whole training steps reach; see `lathe bench`. */
const typicalEfficiency = 0.6;

interface Options extends PlanOptions {
  readonly push?: boolean;
}

export default defineCommand<readonly [string], Options>({
  summary: "show what an experiment would run: parameters, memory and time; nothing runs",
  arguments: [["<file>", "experiment file"]],
  options: [
    ...planOptions,
    [
      "--push",
      "check that lathe run --push could publish what export.push_to names on the Hugging Face hub; sends nothing",
    ],
  ],
  async run({ args: [file], options, catalog, terminal }) {
    const { workspace, plans, warnings } = await loadPlansFromHere(file, options, catalog);
    for (const warning of warnings) terminal.log(toPlainLine(warning));
    if (options.push === true) requirePushes(plans);
    const estimates = await Promise.all(plans.map((plan) => estimatePlan(plan, workspace)));
    const data = await readAllData(plans, workspace);
    const trains = estimates.some(({ steps }) => steps.some(({ training }) => training !== undefined));
    const rate = trains ? await measureProductRate((plans[0]?.device ?? "auto") as DeviceName) : undefined;
    const document = estimates.map((each, i) => ({
      ...each,
      seed: plans[i]!.seed,
      sweep: plans[i]!.sweep,
      ...(data[i] === undefined ? {} : { data: createDataDocument(data[i]) }),
      steps: each.steps.map((step) => ({
        ...step,
        training: step.training && {
          ...step.training,
          estimatedSeconds: estimateSeconds(step.training, rate?.flopsPerSecond),
        },
      })),
    }));
    const text = [
      ...estimates.map((each, i) =>
        formatEstimate(each, plans[i]!.sweep, data[i], rate?.flopsPerSecond, terminal),
      ),
      ...groupByBracket(plans).flatMap(([plan]) =>
        plan?.halving === undefined ? [] : [`${describeRungs(plan.halving)}.`],
      ),
      ...(rate === undefined
        ? []
        : [
            `Times ${plans.some(({ parallel }) => countProcesses(parallel) > 1) ? "are those of one process and " : ""}assume ${typicalEfficiency * 100} % of the ${(rate.flopsPerSecond / 1e9).toFixed(0)} GFLOP/s that ${rate.device} reaches in a plain matrix product now.`,
          ]),
    ];
    return { document: { runs: document, ...(rate && { machine: rate }) }, text: text.join("\n\n") };
  },
});

/** A summary, or why there is none. */
type DataResult =
  { readonly summary: DataSummary; readonly notices: readonly string[] } | { readonly unread: string };

function createDataDocument(data: DataResult): object {
  return "summary" in data ? { ...data.summary, notices: data.notices } : data;
}

/** For text that is short or that an earlier run has read; the run reports it for other text. Errors do not stop the plan. */
async function readAllData(
  plans: readonly RunPlan[],
  workspace: string,
): Promise<(DataResult | undefined)[]> {
  const cache = new Map<string, DataResult | undefined>();
  const results: (DataResult | undefined)[] = [];
  for (const plan of plans) {
    const key = toCanonicalJson([plan.data, plan.folder]);
    if (!cache.has(key)) cache.set(key, await readData(plan, workspace));
    results.push(cache.get(key));
  }
  return results;
}

async function readData(plan: RunPlan, workspace: string): Promise<DataResult | undefined> {
  if (plan.data === undefined) return undefined;
  try {
    using data = await readIfCached(
      dataSchema.parse(plan.data),
      resolveExperimentFolder({ plan, workspace }),
    );
    if (data !== undefined) return { summary: data.summary, notices: data.notices };
    return { unread: "Data: read when the run starts, which then reports rows and sequences." };
  } catch (thrown) {
    return { unread: toWorkbenchError(thrown).message };
  }
}

async function measureProductRate(name: DeviceName) {
  await using engine = await openEngine(name);
  return { device: engine.device.name, flopsPerSecond: await measureProduct(engine, plainProduct) };
}

/** What a compression changes, and all of it together. */
function formatTreated(treated: readonly SizeChange[]): string[] {
  const total = { address: "together", parts: 0, before: 0, after: 0 };
  for (const { parts, before, after } of treated) {
    total.parts += parts;
    total.before += before;
    total.after += after;
  }
  const rows = treated.length > 1 ? [...treated, total] : treated;
  const width = Math.max(...rows.map(({ address, parts }) => `${parts} × ${address}`.length));
  return rows.map(
    ({ address, parts, before, after }) =>
      `     ${`${parts} × ${address}`.padEnd(width)}  ${formatCount(before)} → ${formatCount(after)}${formatDifference(before, after)}`,
  );
}

function formatPush({ repository, private: isPrivate, format }: NonNullable<StepEstimate["push"]>): string {
  const target = describeTarget({ repository, isPrivate });
  return `     with --push, publishes the files of ${format} and a model card to ${toPlainLine(target)}; without it, only shows them`;
}

function formatDifference(before: number, after: number): string {
  if (before === after) return "";
  const share = Math.abs(100 * (1 - after / before)).toFixed(3);
  return ` (${share} % ${after < before ? "less" : "more"})`;
}

function estimateSeconds(
  { steps, flopsPerStep }: TrainingEstimate,
  rate: number | undefined,
): number | undefined {
  return steps === undefined || rate === undefined
    ? undefined
    : (steps * flopsPerStep) / (rate * typicalEfficiency);
}

function formatEstimate(
  estimate: PlanEstimate,
  sweep: RunPlan["sweep"],
  data: DataResult | undefined,
  rate: number | undefined,
  terminal: Terminal,
): string {
  const { name, family, before, steps } = estimate;
  const lines = steps.map(({ action: name, counts, training, treatment, treated, push, peakBytes }, i) => {
    const action = treatment === undefined ? name : `${name} ${treatment}`;
    const difference = formatDifference(before.total.stored, counts.total.stored);
    const size = `${formatCount(counts.total.stored)} parameters${difference}, ${formatBytes(counts.total.bytes)}`;
    if (training === undefined)
      return [
        `  ${i + 1}. ${action}: ${size}${peakBytes === undefined ? "" : `; memory up to about ${formatBytes(peakBytes)}`}`,
        ...(treated === undefined ? [] : formatTreated(treated)),
        ...(push === undefined ? [] : [formatPush(push)]),
      ].join("\n");
    const { steps: total, tokensPerStep, stateBytes, workingBytes, perProcess, adapted } = training;
    const seconds = estimateSeconds(training, rate);
    const work =
      total === undefined
        ? `${formatCount(tokensPerStep)} tokens a step`
        : `${formatCount(total)} steps of ${formatCount(tokensPerStep)} tokens`;
    const time = seconds === undefined ? "" : `, about ${formatDuration(seconds)}`;
    const savings = describeSavings(training.savings);
    const named = (verb: string, other: typeof training.teacher) =>
      other === undefined
        ? ""
        : `, ${verb} ${toPlainLine(other.model)} (${formatCount(other.stored)} parameters)`;
    const otherModels = named("learning from", training.teacher) + named("compared with", training.reference);
    const memory = `memory ${formatBytes(stateBytes + workingBytes)} (${formatBytes(stateBytes)} weights and optimizer)`;
    return [
      `  ${i + 1}. ${action}: ${work}${otherModels}${time}; ${memory}`,
      ...(adapted === undefined
        ? []
        : [
            `     trains ${formatCount(adapted.trainable)} of ${formatCount(adapted.stored)} parameters; afterwards ${size}`,
          ]),
      ...(savings === undefined ? [] : [`     ${savings}`]),
      ...(perProcess === undefined ? [] : formatProcessMemory(perProcess)),
    ].join("\n");
  });
  const dataText =
    data === undefined
      ? []
      : "unread" in data
        ? [data.unread]
        : [...formatDataLines(data.summary), ...data.notices];
  const text = dataText.map((line) => `  ${toPlainLine(line)}`);
  const settings = Object.entries(sweep).map(([path, value]) => `${path} ${JSON.stringify(value)}`);
  return [
    formatCountsTable(`${name} (${family})`, before, terminal, false),
    ...(settings.length === 0 ? [] : [`  ${toPlainLine(settings.join(", "))}`]),
    ...text,
    ...lines,
  ].join("\n");
}
