/** Forward passes of a model against a clock and the process's memory, for what compares a shrunk model with the dense one. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Engine } from "../engine/engine";
import { initialise } from "../models/initialise";
import { bytesOf, memoryOf } from "../graph/cost";
import { input } from "../graph/op";
import { inferenceForward, inferenceParameters } from "../models/inference";
import { dimensionsOf, familyOf, type ModelShape } from "../models/model";
import { ForwardProgram } from "./forwardProgram";
import type { Subject } from "./metric";

type Model = Pick<Subject, "shape" | "tensors">;

/** The same sizes with every matrix as the configuration itself asks for it. Its weights are drawn: time does not depend on them. */
export function denseCounterpart({ shape }: Model, seed: number): Model {
  const dense = denseShape(shape);
  return { shape: dense, tensors: initialise(dense, seed) };
}

export function denseShape(shape: ModelShape): ModelShape {
  return { ...shape, representations: familyOf(shape.family).representations?.(shape.config) ?? {} };
}

export function isDense(shape: ModelShape): boolean {
  return JSON.stringify(shape.representations) === JSON.stringify(denseShape(shape).representations);
}

export interface Pass extends AsyncDisposable {
  /** Milliseconds of one pass over a batch that ends with the last token's logits of every row. */
  run(signal: AbortSignal): Promise<number>;
}

/** `rows` texts of `length` tokens each, always the same ones. */
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
      const begun = performance.now();
      await program.ask(feeds, signal);
      return performance.now() - begun;
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** Bytes that a pass holds at most, weights included, as its graph says. */
export function passMemory(shape: ModelShape, rows: number, length: number): number {
  const tokens = input("tokens", [rows, length], "int32");
  const logits = inferenceForward(shape, { tokens }, { rows: input("rows", [rows], "int32") });
  const weights = inferenceParameters(shape).reduce(
    (sum, { dtype, shape: size }) => sum + bytesOf({ dtype, shape: size }),
    0,
  );
  return weights + memoryOf({ outputs: { logits } }).working;
}

/**
 * Bytes by which the process grew at most while the model was opened and made a few passes. Undefined where the system
 * does not tell: Linux alone lets a process begin its peak anew.
 */
export async function peakGrowth(
  engine: Engine,
  model: Model,
  rows: number,
  length: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const before = beginPeak();
  if (before === undefined) return undefined;
  await using pass = await openPass(engine, model, rows, length);
  for (let i = 0; i < 3; i++) await pass.run(signal);
  return Math.max(0, statusBytes("VmHWM") - before);
}

/** Resident bytes now, from where the peak is counted; undefined where it cannot begin anew. */
function beginPeak(): number | undefined {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
    return statusBytes("VmRSS");
  } catch {
    return undefined; // Another system, or a container that keeps it from its processes.
  }
}

function statusBytes(key: string): number {
  return 1024 * Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}
