/** Compares training steps and text generation with PyTorch, in pairs: ours and theirs by turns, in the same minutes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { toWorkbenchError } from "../../protocol/errors";
import { writeSafetensors } from "../checkpoints/safetensors";
import type { Engine } from "../engine/engine";
import { resolveThreadCount } from "../engine/runtime";
import { initialize } from "../models/initialize";
import type { ModelShape } from "../models/model";
import { median } from "./median";
import {
  benchLearningRate,
  benchSeed,
  resolveTrainOptions,
  TimedTraining,
  type TrainingSize,
} from "./timedTraining";
import { TorchPeer, type PeerRequest } from "./torchPeer";

/** One form of PyTorch against Lathe. */
export interface TrainingPairs {
  readonly mode: "eager" | "compiled";
  /** Seconds of each step of Lathe and of PyTorch, pair by pair. */
  readonly lathe: readonly number[];
  readonly torch: readonly number[];
  /** Median over the pairs of PyTorch's seconds / Lathe's: above 1, Lathe is faster. */
  readonly ratio: number;
  /** Largest relative difference of the losses of a pair, warm-up included. */
  readonly lossDifference: number;
}

export interface TrainingComparison {
  readonly torch: string;
  readonly threads: number;
  readonly model: string;
  readonly pairs: readonly TrainingPairs[];
  /** Why a form of PyTorch is missing, by form. */
  readonly missing: readonly { readonly mode: string; readonly reason: string }[];
}

const stepSchema = z.object({ seconds: z.number(), loss: z.number() });

/** Times `steps` pairs after `warmup` untimed ones, against PyTorch eager and compiled. */
export async function compareTraining(
  engine: Engine,
  python: string,
  request: TrainingSize & {
    readonly steps: number;
    readonly warmup: number;
    /** False leaves out the compiled form, which takes a minute or more to compile. */
    readonly compiled?: boolean;
  },
  report: (line: string) => void,
): Promise<TrainingComparison> {
  const { shape, rows, length, steps } = request;
  const warmup = Math.max(1, request.warmup);
  const options = resolveTrainOptions(request.train);
  return await withWeights(shape, async (weights) => {
    const open = async (mode: TrainingPairs["mode"]) => {
      const startedAt = performance.now();
      const opened = await TorchPeer.open(python, {
        ...{ task: "train", compiled: mode === "compiled", rows, length },
        ...{ threads: resolveThreadCount(undefined), config: shape.config, weights },
        optimizer: {
          learningRate: benchLearningRate,
          beta1: options.adam_beta1,
          beta2: options.adam_beta2,
          epsilon: options.adam_epsilon,
          weightDecay: options.weight_decay,
          maxGradNorm: options.max_grad_norm,
        },
      } satisfies PeerRequest);
      try {
        // The first step compiles.
        const first = await opened.peer.run(stepSchema);
        const seconds = (performance.now() - startedAt) / 1000;
        report(`PyTorch ${opened.description.torch} ${mode}: ready after ${seconds.toFixed(1)} s`);
        return { ...opened, mode, first };
      } catch (thrown) {
        await opened.peer[Symbol.asyncDispose]();
        throw thrown;
      }
    };
    const eager = await open("eager");
    const missing: { mode: string; reason: string }[] = [];
    const openCompiled = () =>
      open("compiled").catch((thrown: unknown) => {
        missing.push({ mode: "compiled", reason: toWorkbenchError(thrown).message });
        return undefined;
      });
    const compiled = request.compiled === false ? undefined : await openCompiled();
    const peers = compiled === undefined ? [eager] : [eager, compiled];
    try {
      await using training = await TimedTraining.open(engine, request);
      const lathe: number[] = [];
      const torch: number[][] = peers.map(() => []);
      const differences: number[] = peers.map(() => 0);
      for (let step = 1; step <= warmup + steps; step++) {
        const { seconds, loss } = await training.step();
        if (step > warmup) lathe.push(seconds);
        for (const [i, { peer, first }] of peers.entries()) {
          const theirs = step === 1 ? first : await peer.run(stepSchema);
          differences[i] = Math.max(differences[i]!, Math.abs(theirs.loss / loss - 1));
          if (step > warmup) torch[i]!.push(theirs.seconds);
        }
        if (step > warmup) {
          const others = peers.map(({ mode }, i) => `${mode} ${torch[i]!.at(-1)!.toFixed(3)} s`);
          report(`pair ${step - warmup}: Lathe ${seconds.toFixed(3)} s, PyTorch ${others.join(", ")}`);
        }
      }
      return {
        ...eager.description,
        pairs: peers.map(({ mode }, i) => ({
          mode,
          lathe,
          torch: torch[i]!,
          ratio: median(torch[i]!.map((each, pair) => each / lathe[pair]!)),
          lossDifference: differences[i]!,
        })),
        missing,
      };
    } finally {
      for (const { peer } of peers) await peer[Symbol.asyncDispose]();
    }
  });
}

/** Calls `use` with a temporary file that has the initial weights of a timed training. */
export async function withWeights<T>(shape: ModelShape, use: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "lathe-bench-"));
  try {
    const path = join(folder, "weights.safetensors");
    writeSafetensors(path, initialize(shape, benchSeed));
    return await use(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
