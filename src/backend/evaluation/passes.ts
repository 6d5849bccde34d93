/** Measures time and memory of forward passes, to compare a compressed model with the dense one. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Engine } from "../engine/engine";
import { initialize } from "../models/initialize";
import { computeBytes, estimateMemory } from "../graph/cost";
import { input } from "../graph/op";
import { buildInferenceForward, listInferenceParameters } from "../models/inference";
import { dimensionsOf, familyOf, type ModelShape } from "../models/model";
import { ForwardProgram } from "./forwardProgram";
import type { Subject } from "./metric";

type Model = Pick<Subject, "shape" | "tensors">;

/** The model with every matrix as its configuration specifies it. Its weights are random, because they do not affect time. */
export function createDenseCounterpart({ shape }: Model, seed: number): Model {
  const dense = createDenseShape(shape);
  return { shape: dense, tensors: initialize(dense, seed) };
}

export function createDenseShape(shape: ModelShape): ModelShape {
  return { ...shape, representations: familyOf(shape.family).representations?.(shape.config) ?? {} };
}

export function isDense(shape: ModelShape): boolean {
  return JSON.stringify(shape.representations) === JSON.stringify(createDenseShape(shape).representations);
}

export interface Pass extends AsyncDisposable {
  /** Milliseconds of one pass over a batch, up to the logits of the last token of every row. */
  run(signal: AbortSignal): Promise<number>;
}

/** Opens a pass over `rows` fixed texts of `length` tokens each. */
export async function openPass(engine: Engine, model: Model, rows: number, length: number): Promise<Pass> {
  const { vocabulary } = dimensionsOf(model.shape);
  const program = await ForwardProgram.open(
    engine,
    model,
    { batch: rows, time: length, rows },
    (logits) => logits,
  );
  const feeds = {
    tokens: Int32Array.from({ length: rows * length }, (_, i) => (i * 7919) % vocabulary),
    rows: Int32Array.from({ length: rows }, (_, row) => (row + 1) * length - 1),
  };
  return {
    run: async (signal) => {
      const startedAt = performance.now();
      await program.run(feeds, signal);
      return performance.now() - startedAt;
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** Peak memory of a pass in bytes, including weights, computed from its graph. */
export function estimatePassMemory(shape: ModelShape, rows: number, length: number): number {
  const tokens = input("tokens", [rows, length], "int32");
  const logits = buildInferenceForward(shape, { tokens }, { rows: input("rows", [rows], "int32") });
  const weights = listInferenceParameters(shape).reduce(
    (sum, { dtype, shape: size }) => sum + computeBytes({ dtype, shape: size }),
    0,
  );
  return weights + estimateMemory({ outputs: { logits } }).working;
}

/** Peak growth of the process in bytes while it opens the model and runs a few passes. Undefined if it is not known. */
export async function measurePeakGrowth(
  engine: Engine,
  model: Model,
  rows: number,
  length: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  return measureMemoryGrowth(async () => {
    await using pass = await openPass(engine, model, rows, length);
    for (let i = 0; i < 3; i++) await pass.run(signal);
  });
}

/**
 * Peak growth of the process in bytes while it does some work. Undefined if the system does not report it: only Linux lets a
 * process reset its peak.
 */
export async function measureMemoryGrowth(work: () => Promise<void>): Promise<number | undefined> {
  const before = resetPeak();
  if (before === undefined) return undefined;
  await work();
  return Math.max(0, readStatusBytes("VmHWM") - before);
}

/** Resets the peak and returns the resident bytes; undefined if the peak cannot be reset. */
function resetPeak(): number | undefined {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
    return readStatusBytes("VmRSS");
  } catch {
    return undefined; // Another system, or a container that does not allow it.
  }
}

function readStatusBytes(key: string): number {
  return 1024 * Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}
