/** A small real run: a seeded sum that depends on every step, with metrics, checkpoints and resumption. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { WorkbenchError } from "../../../src/protocol/errors";
import type { RunBody, RunProgram } from "../../../src/backend/runs/steps/runContext";

export interface LoopOptions {
  readonly steps: number;
  readonly milliseconds: number;
  /** Blocks the thread in each step, like a runtime, instead of waiting. */
  readonly block?: boolean;
  readonly saveSteps: number;
  readonly failAt?: number;
  readonly crashAt?: number;
  readonly notice?: string;
  /** Bytes written at each checkpoint, to fill a disk. */
  readonly ballast?: number;
}

interface LoopState {
  step: number;
  sum: number;
}

/** The settings of a train cell control the loop, so that experiment files can drive it. */
function optionsOf(options: Readonly<Record<string, unknown>>): LoopOptions {
  if (!("max_steps" in options)) return options as unknown as LoopOptions;
  return {
    steps: Number(options.max_steps),
    milliseconds: Number(options.per_device_train_batch_size),
    saveSteps: Number(options.save_steps ?? 10),
    ...(options.max_grad_norm === 0 ? { failAt: 3 } : {}),
    ...(options.warmup_steps === 0 || options.warmup_steps === undefined
      ? {}
      : {
          notice: `The loop has no warm-up, and so the ${JSON.stringify(options.warmup_steps)} steps of it that the experiment asks for are like any other.`,
        }),
  };
}

const body: RunBody = async (context) => {
  const options = optionsOf(context.plan.steps[0]!.options);
  const checkpoints = join(context.folder.path, "checkpoints");
  const state: LoopState = { step: 0, sum: context.plan.seed };
  const save = () => {
    if (options.ballast !== undefined)
      context.folder.write(`ballast-${state.step}`, Buffer.alloc(options.ballast, 7));
    context.folder.write(join("checkpoints", `step-${state.step}.json`), JSON.stringify(state));
  };
  context.stepFolder(0, "train");
  if (options.notice !== undefined) context.notice(options.notice);
  mkdirSync(checkpoints, { recursive: true });
  if (context.resumed) {
    const saved = existsSync(checkpoints)
      ? readdirSync(checkpoints).filter((name) => /^step-\d+\.json$/.test(name))
      : [];
    const steps = saved.map((name) => Number(name.slice(5, -5)));
    const last = Math.max(-1, ...steps);
    if (last >= 0) {
      Object.assign(state, JSON.parse(readFileSync(join(checkpoints, `step-${last}.json`), "utf8")));
    }
    context.rewind(last);
    context.log(`Resumed from step ${last}.`);
  }
  while (state.step < options.steps) {
    if (options.block === true) {
      const end = performance.now() + options.milliseconds;
      while (performance.now() < end);
    } else await setTimeout(options.milliseconds);
    state.step++;
    state.sum = (state.sum * 1103515245 + 12345) % 2147483648;
    const { step } = state;
    if (step === options.failAt) throw new WorkbenchError("diverged", `The loss is NaN at step ${step}.`);
    if (step === options.crashAt)
      setImmediate(() => {
        throw new Error("crashed on purpose");
      });
    const loss = 4 / Math.sqrt(step);
    context.metric({
      step,
      tokens: step * 64,
      "train/loss": loss,
      ...(step % 5 === 0 ? { "eval/loss": loss + 0.1 } : {}),
    });
    context.progress({
      step,
      steps: options.steps,
      secondsLeft: ((options.steps - step) * options.milliseconds) / 1000,
      action: "train",
    });
    const verdict = await context.control.checkpoint(step);
    if (verdict !== "run" || step % options.saveSteps === 0) save();
    if (verdict === "stop") return;
  }
  context.folder.write("result.json", JSON.stringify(state));
};

export const loopProgram: RunProgram = {
  body,
  versions: { loop: "1" },
};
