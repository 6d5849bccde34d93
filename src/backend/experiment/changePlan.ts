/** Changes the plan of a run that has begun: only what leaves the steps that were trained as they are. */
import { WorkbenchError } from "../../protocol/errors";
import type { RunPlan, Step } from "../../protocol/run";
import type { Scheduler } from "../../protocol/scheduler";
import { countProcesses } from "../../schema/parallel";
import { continuedKeys, type SchemaCatalog, trainSchema } from "../../schema/experiment";
import { parseExperiment } from "./parse";
import { planRuns } from "./plan";
import { writeResolvedYaml } from "./resolvedYaml";
import { parseSettings } from "./settings";
import { computeStepKey, toCanonicalJson } from "./stepKey";

/** How far an action of a run has come. */
export interface StepProgress {
  readonly finished: boolean;
  /** Optimizer steps that its training has done and can continue from. */
  readonly trained: number;
}

export interface ChangedPlan {
  readonly plan: RunPlan;
  /** Index of the first action that changed: it continues, and all after it run again. Undefined if none did. */
  readonly first: number | undefined;
  readonly notices: readonly string[];
}

type ContinuedKey = (typeof continuedKeys)[number];

const trainPath = /^train(?:\.(\d+))?\.(\w+)$/;

/** What changes: settings as `--set` takes them, and where the run continues. */
export interface PlanChanges {
  readonly settings: readonly string[];
  readonly device?: string | undefined;
  readonly parallelProcesses?: number | undefined;
  readonly scheduler?: Scheduler | undefined;
}

/** The settings are checked as in the experiment; `codeVersion` as for `planRuns`. */
export function changePlan(
  plan: RunPlan,
  changes: PlanChanges,
  progressOf: (step: Step) => StepProgress,
  { catalog, codeVersion }: { readonly catalog: SchemaCatalog; readonly codeVersion: string },
): ChangedPlan {
  const { settings, device, parallelProcesses, scheduler } = changes;
  const requested = parseSettings(settings);
  for (const path of Object.keys(requested)) refuseOtherPath(path);
  // The machines of the run so far need not be there any more.
  const oneMachine =
    parallelProcesses === undefined ? {} : { "parallel.nodes": 1, "parallel.rendezvous": null };
  const set = { ...(plan.parallel === undefined ? {} : oneMachine), ...requested };
  const text = writeResolvedYaml(plan, { folder: plan.folder });
  const experiment = parseExperiment(text, "config.resolved.yaml", catalog);
  const [newPlan] = planRuns(experiment, {
    codeVersion,
    set,
    ...(device === undefined ? {} : { device }),
    ...(parallelProcesses === undefined ? {} : { parallelProcesses }),
    ...(scheduler === undefined ? {} : { scheduler }),
  });
  if (newPlan?.steps.length !== plan.steps.length)
    throw new Error("config.resolved.yaml does not describe its own plan.");

  const notices: string[] = [];
  let startsAgain = false;
  const changed = plan.steps.map((step, index): Step => {
    const { earlier, ...rest } = step;
    const options = mergeContinuedOptions(step, newPlan.steps[index]!);
    // After the first change every action starts again, as if the plan had always been this one.
    if (startsAgain) return { ...rest, options: options ?? step.options };
    if (options === undefined) return step;
    const progress = progressOf(step);
    // A training that ended as planned has no use for other intervals.
    if (progress.finished && describeEnd(options) === describeEnd(step.options)) return step;
    const name = formatStepName(plan, step);
    refuseOtherEnd(name, step.options, options, progress);
    startsAgain = true;
    if (progress.trained === 0) return { ...rest, options };
    notices.push(...createScheduleNotice(name, step.options, options, progress.trained));
    const before = { steps: progress.trained, options: pickContinued(step.options) };
    return { ...rest, options, earlier: [...(earlier ?? []), before] };
  });
  const first = changed.findIndex((step, index) => step !== plan.steps[index]);
  const moved = movePlan(plan, newPlan);
  if (moved !== plan) notices.push(describeMove(plan, moved));
  // A run may be resumed by naming the device and the processes that it already has.
  if (first < 0 && (moved !== plan || settings.length === 0))
    return { plan: moved, first: undefined, notices };
  if (first < 0)
    throw new WorkbenchError(
      "invalid-input",
      `${settings.map((setting) => `--set ${setting}`).join(" ")} changes nothing that the run has still to do. To train further, raise train.max_steps.`,
    );
  const next = { ...moved, steps: changed, sweep: updateSweep(plan, changed) };
  const steps = changed.map((step, index) =>
    index < first ? step : { ...step, key: computeStepKey(next, index, { codeVersion }) },
  );
  return { plan: { ...next, steps }, first, notices };
}

/** The plan on the device and the processes of another one; the same object if these are equal. */
function movePlan(plan: RunPlan, { device, parallel }: RunPlan): RunPlan {
  if (device === plan.device && toCanonicalJson(parallel) === toCanonicalJson(plan.parallel)) return plan;
  const { parallel: _, ...rest } = plan;
  return { ...rest, device, ...(parallel === undefined ? {} : { parallel }) };
}

function describeMove(before: RunPlan, after: RunPlan): string {
  const describe = ({ device, parallel }: RunPlan) => {
    const count = countProcesses(parallel);
    return `${device} with ${count === 1 ? "one process" : `${count} processes`}`;
  };
  return `The run continues on ${describe(after)}; it was on ${describe(before)}. Results agree within rounding, not bit for bit.`;
}

function refuseOtherPath(path: string): void {
  const key = trainPath.exec(path)?.[2];
  if (continuedKeys.some((each) => each === key) || /^parallel(\.|$)/.test(path) || path === "device") return;
  const allowed = ["device", "parallel", ...continuedKeys.map((each) => `train.${each}`)].join(", ");
  throw new WorkbenchError(
    "invalid-input",
    `${path} cannot change when a run is resumed: part of the run already depends on it. Allowed: ${allowed}. Start a new run to change anything else.`,
  );
}

/** The options of the step with what may change taken from the new plan; undefined where nothing changes. */
function mergeContinuedOptions({ action, options }: Step, newStep: Step): Step["options"] | undefined {
  if (action !== "train") return undefined;
  const fixedOptions = Object.entries(options).filter(([key]) => !isContinued(key));
  const next = { ...Object.fromEntries(fixedOptions), ...pickContinued(newStep.options) };
  return continuedKeys.every((key) => next[key as keyof typeof next] === options[key]) ? undefined : next;
}

function isContinued(key: string): key is ContinuedKey {
  return continuedKeys.some((each) => each === key);
}

function pickContinued(options: Step["options"]): Step["options"] {
  return Object.fromEntries(Object.entries(options).filter(([key]) => isContinued(key)));
}

/** When the training ends, in words. */
function describeEnd(options: Step["options"]): string {
  const { max_steps: steps, num_train_epochs: epochs } = trainSchema.parse(options);
  return steps === undefined ? `${epochs} epochs` : `${steps} steps`;
}

function refuseOtherEnd(
  name: string,
  before: Step["options"],
  after: Step["options"],
  { finished, trained }: StepProgress,
): void {
  const [old, next] = [trainSchema.parse(before), trainSchema.parse(after)];
  if (describeEnd(before) === describeEnd(after) || (!finished && trained === 0)) return;
  const refuse = (why: string) => {
    throw new WorkbenchError("invalid-input", why);
  };
  if (finished && trained === 0)
    refuse(`${name} has no checkpoint left to continue from. Start a new run with ${describeEnd(after)}.`);
  if (next.max_steps !== undefined) {
    if (next.max_steps <= trained)
      refuse(
        `${name}.max_steps ${next.max_steps} is not more than the ${trained} steps that are trained already. Give a larger number.`,
      );
    return;
  }
  if (old.max_steps !== undefined)
    refuse(
      `${name}.max_steps cannot be removed: the run is planned by steps. Set it to the new number of steps.`,
    );
  if (next.num_train_epochs <= old.num_train_epochs)
    refuse(
      `${name}.num_train_epochs ${next.num_train_epochs} is not more than the ${old.num_train_epochs} of the plan. Give a larger number.`,
    );
  // The last block has fewer documents than the others, which a longer plan would deal out differently.
  if ((next.block_rows !== undefined || next.restart_optimizer) && !next.sample_with_replacement)
    refuse(
      `${name}.num_train_epochs cannot change for blocks without replacement: their last block depends on it. Start a new run.`,
    );
}

function createScheduleNotice(
  name: string,
  before: Step["options"],
  after: Step["options"],
  trained: number,
): string[] {
  const { lr_scheduler_type: type, warmup_steps, warmup_ratio } = trainSchema.parse(after);
  const isConstant = type === "constant" || type === "constant_with_warmup";
  if (describeEnd(before) === describeEnd(after) || (isConstant && (warmup_steps > 0 || warmup_ratio === 0)))
    return [];
  return [
    `${name} continues after step ${trained} at the learning rates of its ${type} schedule over ${describeEnd(after)}; the steps before had those of ${describeEnd(before)}. A run planned with ${describeEnd(after)} from the start gives other weights.`,
  ];
}

/** As experiments name it: `train.1` where there are several. */
function formatStepName(plan: RunPlan, step: Step): string {
  const trains = plan.steps.filter(({ action }) => action === "train");
  return trains.length === 1 ? "train" : `train.${trains.indexOf(step)}`;
}

/** A swept value that was changed is the new one. */
function updateSweep({ sweep }: RunPlan, steps: readonly Step[]): RunPlan["sweep"] {
  const trains = steps.filter(({ action }) => action === "train");
  return Object.fromEntries(
    Object.entries(sweep).map(([path, value]) => {
      const [, index, key = ""] = trainPath.exec(path) ?? [];
      return [path, isContinued(key) ? (trains[Number(index ?? 0)]?.options[key] ?? value) : value];
    }),
  );
}
