/**
 * Reads the calibration text layer by layer. The hidden states of all sequences at the border of a layer are kept on the host,
 * so that a layer is observed without computing the layers before it again. Memory holds those states once, or twice where
 * the original model is read too, and the weights of one layer on the device.
 */
import { WorkbenchError } from "../../../protocol/errors";
import type { Batch } from "../../data/split";
import type { Tensor, Tensors } from "../../engine/engine";
import type { Graph } from "../../graph/graph";
import { input, type Value } from "../../graph/op";
import { sub } from "../../graph/ops/elementwise";
import { matmul } from "../../graph/ops/matmul";
import type { ForwardOptions, ModelInputs, Section } from "../../models/family";
import {
  buildHiddenStates,
  buildLogits,
  createValue,
  dimensionsOf,
  type ModelShape,
  parametersOf,
} from "../../models/model";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import { disposeAll, pickTensors } from "../../training/evaluateLoss";
import { feedBatch, uploadAll } from "../../training/feeds";
import { type Calibration, type ObserveCall, ProgramsByRows, readCalibrationBatches } from "./batches";
import {
  createBatchInputs,
  createTextMask,
  nameStatistics,
  type Observations,
  StatisticSums,
  type Tap,
} from "./observe";

type Model = Pick<Checkpoint, "shape" | "tensors">;

/** The statistic X̃ᵀ(X − X̃) [inputs, inputs] of a matrix's inputs X in the original model and X̃ in the given one. */
export const driftName = "drift";

export interface LayerReader {
  /**
   * Moves to the border before a layer, or before the head if it is undefined: computes the layers in between with this model,
   * and with the original one if it is read too. Never moves back.
   */
  moveTo(layer: number | undefined, model: Model): Promise<void>;
  /**
   * Collects statistics of matrices of the current layer, or of the head. If the original model is read too, they include
   * `driftName`, unless both models are still the same.
   */
  observe(model: Model, taps: ReadonlyMap<string, Tap>): Promise<Observations>;
}

/** Hidden states of each batch, [batch · time, width]. */
type States = readonly Float32Array[];

const stateName = "state";
/** Before the names of the original model's inputs, where one program reads both models. */
const originalPrefix = "original:";

/** With `readsOriginal`, the inputs of the original model are computed too, besides those of the models that are given later. */
export async function readLayers(
  original: Model,
  readsOriginal: boolean,
  calibration: Calibration,
  call: ObserveCall,
): Promise<LayerReader> {
  const { layers, width } = dimensionsOf(original.shape);
  const batches = [...readCalibrationBatches(calibration, call)];
  let at = 0;
  let states = await runSection(original, { from: 0, to: 0 });
  /** The same array as `states` as long as both models are the same up to here. */
  let originalStates = states;
  const isOriginal = ({ tensors }: Model) => originalStates === states && tensors === original.tensors;

  return { moveTo, observe };

  async function moveTo(layer: number | undefined, model: Model): Promise<void> {
    for (; at < (layer ?? layers); at++) {
      const section = { from: at, to: at + 1 };
      const next = await runSection(model, section, states);
      originalStates =
        !readsOriginal || isOriginal(model) ? next : await runSection(original, section, originalStates);
      states = next;
    }
  }

  async function observe(model: Model, taps: ReadonlyMap<string, Tap>): Promise<Observations> {
    const section = at < layers ? { from: at, to: at + 1 } : { from: at };
    const readsBoth = readsOriginal && !isOriginal(model);
    const sums = new StatisticSums();
    await runAll(
      (batch) => {
        const inputs = createBatchInputs(batch);
        const text = createTextMask(batch, inputs);
        const keep = (value: Value) => text.keep(value);
        const found = buildSection(model.shape, batch, inputs, section, "");
        const wanted = readsBoth
          ? buildSection(original.shape, batch, inputs, section, originalPrefix)
          : undefined;
        const outputs: Record<string, Value> = {};
        for (const [role, tap] of taps) {
          const x = found.matrixInputs.get(role);
          if (x === undefined)
            throw new Error(`${role} is not applied on its own in this part of the model.`);
          const wantedX = wanted?.matrixInputs.get(role);
          Object.assign(
            outputs,
            nameStatistics(role, {
              ...tap(keep(x), text.countRows(x), batch.rows),
              ...(wantedX && { [driftName]: matmul(keep(x), keep(sub(wantedX, x)), { transposeA: true }) }),
            }),
          );
        }
        return { outputs };
      },
      new Map([
        ...model.tensors,
        ...(readsBoth
          ? [...original.tensors].map(([name, each]) => [originalPrefix + name, each] as const)
          : []),
      ]),
      { [stateName]: states, ...(readsBoth ? { [originalPrefix + stateName]: originalStates } : {}) },
      (results) => sums.add(results),
    );
    return sums.byRole();
  }

  /** Without states, the section begins with the tokens. */
  async function runSection({ shape, tensors }: Model, section: Section, from?: States): Promise<States> {
    const next: Float32Array[] = [];
    await runAll(
      (batch) => {
        const { hidden } = buildSection(shape, batch, createBatchInputs(batch), section, from && "");
        return { outputs: { next: hidden } };
      },
      tensors,
      from === undefined ? {} : { [stateName]: from },
      async (results) => void next.push(((await results["next"]!.read()) as Float32Array).slice()),
    );
    return next;
  }

  async function runAll(
    build: (batch: Batch) => Graph,
    tensors: Model["tensors"],
    statesByName: Readonly<Record<string, States>>,
    take: (results: Tensors) => Promise<void>,
  ): Promise<void> {
    const { engine, signal } = call;
    await using programs = new ProgramsByRows(engine, build);
    let weights: Tensors | undefined;
    try {
      for (const [i, batch] of batches.entries()) {
        if (signal.aborted) throw new WorkbenchError("cancelled", "The calibration was stopped.");
        const program = await programs.get(batch);
        const read = new Set(program.inputs);
        weights ??= uploadAll(engine, new Map([...tensors].filter(([name]) => read.has(name))));
        const feeds: Record<string, Tensor> = { ...feedBatch(engine, batch) };
        const type = { dtype: "float32", shape: [batch.rows * batch.length, width] } as const;
        // The engine takes over what it is given, and the states are read again.
        for (const [name, each] of Object.entries(statesByName))
          feeds[name] = engine.upload(type, each[i]!.slice());
        const results = await program.run(pickTensors(program.inputs, { ...weights, ...feeds }));
        await take(results);
        disposeAll(feeds);
        disposeAll(results);
      }
    } finally {
      disposeAll(weights ?? {});
    }
  }

  /** With a prefix, the section begins with a state; the prefix is that of the names of its inputs but the text. */
  function buildSection(
    shape: ModelShape,
    { rows, length }: Batch,
    inputs: ModelInputs,
    { from, to }: Section,
    prefix: string | undefined,
  ) {
    const values = new Map(
      parametersOf(shape).map((spec) => [
        spec.name,
        createValue({ ...spec, name: (prefix ?? "") + spec.name }),
      ]),
    );
    const weights = (name: string) => values.get(name)!;
    const matrixInputs = new Map<string, Value>();
    const onMatrix = (role: string, x: Value) => void matrixInputs.set(role, x);
    const options: ForwardOptions = {
      onMatrix,
      onPiece: onMatrix,
      section: {
        from,
        ...(to === undefined ? {} : { to }),
        ...(prefix === undefined ? {} : { state: input(prefix + stateName, [rows * length, width]) }),
      },
    };
    const hidden = buildHiddenStates(shape, weights, inputs, options);
    if (to === undefined) buildLogits(shape, weights, hidden, options);
    return { hidden, matrixInputs };
  }
}
