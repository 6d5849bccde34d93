/** A single matrix of a tiny model, real-valued inputs for it, and the result of a method. */
import type { AnyMethod, Lab } from "../../../src/backend/compression/method";
import { listMatrixSlots } from "../../../src/backend/models/model";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import type { TensorData } from "../../../src/backend/representations/representation";
import { plainLab } from "../../support/lab";
import { createUniform } from "../../support/sampleValues";
import { drawModelTensors, createTinyShape } from "../../support/subject";

export const role = "layers.0.mlp.up_proj";

/** Numbers [rows, columns] with dependent columns, like the features of real text. */
export function correlated(rows: number, columns: number, seed: number): Float64Array {
  const random = createUniform(seed);
  const hidden = Array.from({ length: rows * 3 }, () => 2 * random() - 1);
  const mix = Array.from({ length: 3 * columns }, () => 2 * random() - 1);
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let value = 0.3 * (2 * random() - 1);
    for (let k = 0; k < 3; k++) value += hidden[row * 3 + k]! * mix[k * columns + column]!;
    return value;
  });
}

export function gramOf(x: Float64Array, columns: number): Float64Array {
  const rows = x.length / columns;
  const out = new Float64Array(columns * columns);
  for (let i = 0; i < columns; i++)
    for (let j = 0; j < columns; j++)
      for (let row = 0; row < rows; row++)
        out[i * columns + j]! += x[row * columns + i]! * x[row * columns + j]!;
  return out;
}

export function tiny(family = "llama"): Checkpoint {
  const shape = createTinyShape(family);
  return { shape, tensors: drawModelTensors(shape, 5) };
}

/** Sizes of the matrix of the role. */
export function sizesOf({ shape }: Checkpoint): readonly [inputs: number, outputs: number] {
  const { matrix } = listMatrixSlots(shape).find((slot) => slot.matrix.role === role)!;
  return [matrix.inputs, matrix.outputs];
}

/** [inputs, outputs] */
export function denseOf({ shape, tensors }: Checkpoint): Float32Array {
  const slot = listMatrixSlots(shape).find(({ matrix }) => matrix.role === role)!;
  const { matrix, representation, options } = slot.stored[0]!;
  return representation.materialize((name) => tensors.get(name)!.data as TensorData, matrix, options);
}

/** A lab whose text gives these inputs, and more statistics, for every requested matrix. */
export function labWithInputs(
  x: Float64Array,
  columns: number,
  said: string[] = [],
  more: Readonly<Record<string, Float64Array>> = {},
): Lab {
  const gram = gramOf(x, columns);
  const squares = Float64Array.from({ length: columns }, (_, i) => gram[i * columns + i]!);
  const count = Float64Array.of(x.length / columns);
  const sums = new Float64Array(columns);
  x.forEach((each, i) => (sums[i % columns]! += each));
  const magnitudes = new Float64Array(columns);
  x.forEach((each, i) => (magnitudes[i % columns]! += Math.abs(each)));
  const observe: Lab["observe"] = (_, taps) =>
    Promise.resolve(
      new Map([...taps.keys()].map((each) => [each, { gram, squares, sums, magnitudes, count, ...more }])),
    );
  return {
    ...plainLab,
    log: (message) => said.push(message),
    observe,
    readLayers: () =>
      Promise.resolve({
        moveTo: () => Promise.resolve(),
        observe: (model, taps) => observe(model, taps, { samples: 1, batch_size: 1 }),
      }),
  };
}

export async function applied(
  method: AnyMethod,
  options: Readonly<Record<string, unknown>>,
  before: Checkpoint,
  lab: Lab = plainLab,
): Promise<Checkpoint> {
  return await method.apply(before, method.options.parse({ targets: role, ...options }), lab);
}

/** ‖X·(W − W')‖², or ‖W − W'‖² without inputs. */
export function errorOf(
  before: Float32Array,
  after: Float32Array,
  outputs: number,
  x?: Float64Array,
): number {
  const inputs = before.length / outputs;
  if (x === undefined) return before.reduce((sum, each, i) => sum + (each - after[i]!) ** 2, 0);
  let error = 0;
  for (let row = 0; row < x.length / inputs; row++)
    for (let output = 0; output < outputs; output++) {
      let difference = 0;
      for (let i = 0; i < inputs; i++)
        difference += x[row * inputs + i]! * (before[i * outputs + output]! - after[i * outputs + output]!);
      error += difference ** 2;
    }
  return error;
}
