/** `lathe plan FILE`: what would run, how large it gets and how long it takes. Nothing is trained or written. */
import { openProductRate } from "../../backend/bench/productRate";
import type { DataSummary } from "../../backend/data/dataSet";
import { dataLines } from "../../backend/data/summaryText";
import { canonicalJson } from "../../backend/experiment/stepKey";
import { openEngine } from "../../backend/engine/onnxRuntime";
import {
  estimatePlan,
  type PlanEstimate,
  type Treated,
  type TrainingEstimate,
} from "../../backend/runs/planning/estimate";
import { readWhereKept } from "../../backend/runs/planning/shortData";
import { experimentFolder } from "../../backend/runs/steps/workshop";
import { describeSavings } from "../../backend/training/memorySavings";
import { dataSchema, type DeviceName } from "../../schema/experiment";
import { toWorkbenchError } from "../../protocol/errors";
import type { RunPlan } from "../../protocol/run";
import { defineCommand } from "../command";
import { countsTable } from "../countsTable";
import { plansHere } from "../plansHere";
import { type PlanOptions, planOptions } from "../planOptions";
import { bytes, count, duration } from "../../protocol/quantities";
import { plainLine, type Terminal } from "../terminal";

/** Share of the rate of plain products that whole training steps reach; see `lathe bench`. */
const usualShare = 0.6;

export default defineCommand<readonly [string], PlanOptions>({
  summary: "show what an experiment would run: parameters, memory and time; nothing runs",
  arguments: [["<file>", "experiment file"]],
  options: planOptions,
  async run({ args: [file], options, catalog, terminal }) {
    const { workspace, plans, warnings } = await plansHere(file, options, catalog);
    for (const warning of warnings) terminal.say(plainLine(warning));
    const estimates = await Promise.all(plans.map((plan) => estimatePlan(plan, workspace)));
    const data = await dataOf(plans, workspace);
    const trains = estimates.some(({ steps }) => steps.some(({ training }) => training !== undefined));
    const rate = trains ? await productRate((plans[0]?.device ?? "auto") as DeviceName) : undefined;
    const document = estimates.map((each, i) => ({
      ...each,
      seed: plans[i]!.seed,
      ...(data[i] === undefined ? {} : { data: dataDocument(data[i]) }),
      steps: each.steps.map((step) => ({
        ...step,
        training: step.training && {
          ...step.training,
          estimatedSeconds: secondsOf(step.training, rate?.flopsPerSecond),
        },
      })),
    }));
    const text = [
      ...estimates.map((each, i) => describe(each, data[i], rate?.flopsPerSecond, terminal)),
      ...(rate === undefined
        ? []
        : [
            `Times assume ${usualShare * 100} % of the ${(rate.flopsPerSecond / 1e9).toFixed(0)} GFLOP/s that ${rate.device} reaches in a plain matrix product now.`,
          ]),
    ];
    return { document: { runs: document, ...(rate && { machine: rate }) }, text: text.join("\n\n") };
  },
});

/** A summary, or why there is none. */
type FoundData =
  { readonly summary: DataSummary; readonly notices: readonly string[] } | { readonly unread: string };

function dataDocument(found: FoundData): object {
  return "summary" in found ? { ...found.summary, notices: found.notices } : found;
}

/** For text that is short or that an earlier run has read; the run reports it for other text. Errors do not stop the plan. */
async function dataOf(plans: readonly RunPlan[], workspace: string): Promise<(FoundData | undefined)[]> {
  const known = new Map<string, FoundData | undefined>();
  const found: (FoundData | undefined)[] = [];
  for (const plan of plans) {
    const key = canonicalJson([plan.data, plan.folder]);
    if (!known.has(key)) known.set(key, await readData(plan, workspace));
    found.push(known.get(key));
  }
  return found;
}

async function readData(plan: RunPlan, workspace: string): Promise<FoundData | undefined> {
  if (plan.data === undefined) return undefined;
  try {
    using data = await readWhereKept(dataSchema.parse(plan.data), experimentFolder({ plan, workspace }));
    if (data !== undefined) return { summary: data.summary, notices: data.notices };
    return { unread: "Data: read when the run starts, which then reports rows and sequences." };
  } catch (thrown) {
    return { unread: toWorkbenchError(thrown).message };
  }
}

async function productRate(name: DeviceName) {
  await using engine = await openEngine(name);
  await using product = await openProductRate(engine);
  const rates: number[] = [];
  for (let i = 0; i < 6; i++) rates.push(await product.measure());
  return { device: engine.device.name, flopsPerSecond: Math.max(...rates.slice(1)) };
}

/** What a compression changes, and all of it together. */
function treatedLines(treated: readonly Treated[]): string[] {
  const all = { address: "together", parts: 0, before: 0, after: 0 };
  for (const { parts, before, after } of treated) {
    all.parts += parts;
    all.before += before;
    all.after += after;
  }
  const rows = treated.length > 1 ? [...treated, all] : treated;
  const width = Math.max(...rows.map(({ address, parts }) => `${parts} × ${address}`.length));
  return rows.map(
    ({ address, parts, before, after }) =>
      `     ${`${parts} × ${address}`.padEnd(width)}  ${count(before)} → ${count(after)}${change(before, after)}`,
  );
}

function change(before: number, after: number): string {
  if (before === after) return "";
  const share = Math.abs(100 * (1 - after / before)).toFixed(3);
  return ` (${share} % ${after < before ? "less" : "more"})`;
}

function secondsOf({ steps, flopsPerStep }: TrainingEstimate, rate: number | undefined): number | undefined {
  return steps === undefined || rate === undefined ? undefined : (steps * flopsPerStep) / (rate * usualShare);
}

function describe(
  estimate: PlanEstimate,
  data: FoundData | undefined,
  rate: number | undefined,
  terminal: Terminal,
): string {
  const { name, family, before, steps } = estimate;
  const lines = steps.map(({ action: name, counts, training, treatment, treated }, i) => {
    const action = treatment === undefined ? name : `${name} ${treatment}`;
    const less = change(before.total.stored, counts.total.stored);
    const size = `${count(counts.total.stored)} parameters${less}, ${bytes(counts.total.bytes)}`;
    if (training === undefined)
      return [`  ${i + 1}. ${action}: ${size}`, ...(treated === undefined ? [] : treatedLines(treated))].join(
        "\n",
      );
    const { steps: total, tokensPerStep, stateBytes, workingBytes, teacher } = training;
    const seconds = secondsOf(training, rate);
    const work =
      total === undefined
        ? `${count(tokensPerStep)} tokens a step`
        : `${count(total)} steps of ${count(tokensPerStep)} tokens`;
    const time = seconds === undefined ? "" : `, about ${duration(seconds)}`;
    const saved = describeSavings(training.savings);
    const from =
      teacher === undefined
        ? ""
        : `, learning from ${plainLine(teacher.model)} (${count(teacher.stored)} parameters)`;
    const memory = `memory ${bytes(stateBytes + workingBytes)} (${bytes(stateBytes)} weights and optimizer)`;
    return `  ${i + 1}. ${action}: ${work}${from}${time}; ${memory}${saved === undefined ? "" : `\n     ${saved}`}`;
  });
  const said =
    data === undefined
      ? []
      : "unread" in data
        ? [data.unread]
        : [...dataLines(data.summary), ...data.notices];
  const text = said.map((line) => `  ${plainLine(line)}`);
  return [countsTable(`${name} (${family})`, before, terminal, false), ...text, ...lines].join("\n");
}
