/** Times one method on one matrix of a chosen width with real activations: total seconds, and those spent on calibration. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { dataSchema } from "../../schema/experiment";
import { openData } from "../data/dataSet";
import type { Engine } from "../engine/engine";
import { methods } from "../methods/catalog";
import { EngineAlgebra } from "../compression/algebra/products";
import { readCalibrationBatches } from "../compression/calibration/batches";
import { computeGradients } from "../compression/calibration/gradients";
import type { AnyMethod, Lab } from "../compression/method";
import { observe } from "../compression/calibration/observe";
import { readLayers } from "../compression/calibration/readLayers";
import { initialize } from "../models/initialize";
import { listMatrixSlots, type ModelShape, partsOf, createShape } from "../models/model";
import { layerRole } from "../models/roles";
import type { Checkpoint } from "../checkpoints/checkpoint";

/** The default number of calibration sequences, and their length in tokens. */
export const calibrationSize = { samples: 128, length: 128 } as const;

export interface OneShotCase {
  readonly method: string;
  /** Options besides the rate and the target. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface OneShotSpeed extends OneShotCase {
  readonly width: number;
  readonly role: string;
  readonly seconds: number;
  /** The part of `seconds` spent running the model on text and summing statistics. */
  readonly observing: number;
  /** Bytes: the peak of the process, and its size with the model and the text before the method started. */
  readonly peakBytes: number;
  readonly bytesBefore: number;
}

/** Every method with its default options, and those with formulas in PyTorch whose defaults do more also as published. */
export function listOneShotCases(): OneShotCase[] {
  const plain = Object.keys(methods).map((method): OneShotCase => ({ method, options: {} }));
  const published = ["wanda", "sparsegpt", "rtn", "gptq"].map((method): OneShotCase => ({
    method,
    options: { as: "published" },
  }));
  return [...plain, ...published, { method: "svd", options: { whiten: true, as: "published" } }];
}

/** The method and the options that are not its defaults: `svd whiten`, `gptq published`. */
export function getCaseTitle({ method, options }: OneShotCase): string {
  const words = Object.entries(options).map(([name, value]) => (value === true ? name : String(value)));
  return [method, ...words].join(" ");
}

/** Throws, with the reason, for a method that trains or that fits no matrix of the layer. */
export async function measureOneShot(
  engine: Engine,
  { method: name, options }: OneShotCase,
  width: number,
): Promise<OneShotSpeed> {
  const shape = createLayerShape(width);
  const model = { shape, tensors: initialize(shape, 0) };
  const method = methods[name]!;
  const { role, methodOptions } = findSuitableRole(shape, method, options);
  const cacheFolder = mkdtempSync(join(tmpdir(), "lathe-bench-"));
  try {
    using data = await openData(createTextOptions(), { baseFolder: ".", cacheFolder });
    let observing = 0;
    const call = {
      engine,
      train: data.train,
      seed: 0,
      signal: new AbortController().signal,
      progress: () => undefined,
    };
    const timed = async <T>(reading: Promise<T>): Promise<T> => {
      const startedAt = performance.now();
      const result = await reading;
      observing += (performance.now() - startedAt) / 1000;
      return result;
    };
    await using algebra = new EngineAlgebra(engine);
    const lab = createLab({
      algebra,
      observe: (before, taps, calibration, layerTap) =>
        timed(observe(before, taps, calibration, call, layerTap)),
      readLayers: async (...args) => {
        const reader = await timed(readLayers(...args, call));
        return {
          moveTo: (...moved) => timed(reader.moveTo(...moved)),
          observe: (...observed) => timed(reader.observe(...observed)),
        };
      },
      gradients: (...args) => timed(computeGradients(...args, call)),
      readTokens: (calibration) => readCalibrationBatches(calibration, call),
    });
    const bytesBefore = process.memoryUsage().rss;
    const startedAt = performance.now();
    await method.apply(model, methodOptions, lab);
    const seconds = (performance.now() - startedAt) / 1000;
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    return { method: name, options, width, role, seconds, observing, peakBytes, bytesBefore };
  } finally {
    rmSync(cacheFolder, { recursive: true, force: true });
  }
}

/** A configuration of one layer with GPT-2's proportions. */
function createLayerShape(width: number): ModelShape {
  return createShape({
    model_type: "gpt2",
    vocab_size: 257,
    n_embd: width,
    n_layer: 1,
    n_head: width / 64,
    n_positions: calibrationSize.length,
  });
}

function createTextOptions() {
  const { samples, length } = calibrationSize;
  return dataSchema.parse({
    grammar: { length: 2 * samples * length },
    sequence_len: length,
    val_fraction: 0,
  });
}

/** Lists the square matrices of the layer in the order in which they are tried. Methods without `targets` get the whole layer. */
function listSquareRoles(shape: ModelShape): string[] {
  const matrices = listMatrixSlots(shape).flatMap(({ matrix }) => [matrix, ...partsOf(matrix)]);
  return (["attention output", "value", "query"] as const).flatMap((wantedPurpose) =>
    matrices.flatMap(({ role, purpose }) => (purpose === wantedPurpose ? [role] : [])),
  );
}
const wholeLayer = layerRole(0);

/** Removes half of the matrix, or uses the third of the method's levels. */
function findSuitableRole(shape: ModelShape, method: AnyMethod, options: OneShotCase["options"]) {
  const { shape: schemaShape } = method.options as unknown as z.ZodObject;
  let reason: WorkbenchError | undefined;
  for (const role of "targets" in schemaShape ? listSquareRoles(shape) : [wholeLayer])
    try {
      const rate = method.levels?.[2] ?? 0.5;
      const methodOptions: unknown = method.options.parse({
        ...(method.rate === undefined ? {} : { [method.rate]: rate }),
        ...(role === wholeLayer ? {} : { targets: role }),
        ...options,
      });
      const { shape: after } = method.plan(shape, methodOptions);
      if (listMatrixSlots(after).length > 0) return { role, methodOptions };
    } catch (thrown) {
      reason ??= toWorkbenchError(thrown);
    }
  throw reason!;
}

function createLab(parts: Pick<Lab, "algebra" | "observe" | "readLayers" | "gradients" | "readTokens">): Lab {
  const refuseTraining = () =>
    Promise.reject<Checkpoint>(
      new WorkbenchError("unsupported", "The method trains, so it is not a one-shot method."),
    );
  return {
    seed: 0,
    signal: new AbortController().signal,
    ...parts,
    train: refuseTraining,
    fit: () => refuseTraining().then(({ tensors }) => tensors),
    evaluate: () =>
      Promise.reject(new WorkbenchError("unsupported", "The method evaluates the model while it works.")),
    losses: () => {
      throw new WorkbenchError("unsupported", "The method measures whole models while it works.");
    },
    trial: () => undefined,
    progress: () => undefined,
    log: () => undefined,
  };
}
