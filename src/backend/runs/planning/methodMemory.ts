/** The peak memory of a method that works layer by layer, estimated from shapes and options alone. */
import * as z from "zod";
import { computeBytes } from "../../graph/cost";
import { dimensionsOf, listMatrixSlots, type ModelShape, parametersOf } from "../../models/model";
import type { MatrixSpec } from "../../representations/representation";
import { groupBy } from "../../compression/groupBy";
import { fillLayerwise } from "../../compression/layerwise";
import { unwrittenBytes } from "../steps/partialResults";

/** Program, runtime, tokenizer and text. */
const processBytes = 300e6;
/** Arrays [inputs, inputs] in double precision besides H: its damped and its reversed copy, the factor and its inverse. */
const curvatureCopies = 4;
/** Arrays [inputs, outputs] in double precision: the weights, their transpose, and the changes of a block. */
const matrixCopies = 3;
/** Arrays of all weights of a layer: as read, on the device, and as changed. */
const layerCopies = 3;
/** Arrays [tokens, width of the widest matrix] that a layer computes at once. */
const activationCopies = 4;

/** What the options of methods that work layer by layer have in common. */
const optionsSchema = z.object({
  as: z.enum(["improved", "published"]).default("published"),
  calibration: z.object({
    samples: z.int(),
    batch_size: z.int(),
    inputs: z.enum(["shrunk", "original"]),
    order: z.enum(["sequential", "layer"]).optional(),
    outputs: z.enum(["original", "local"]).optional(),
  }),
});

/**
 * In bytes, for sequences of `length` tokens. An upper bound for methods that do not need H = XᵀX. Undefined for methods that
 * do not go through the model layer by layer with text. `options` are those of the method, with defaults.
 */
export function estimateMethodMemory(
  before: ModelShape,
  after: ModelShape,
  options: unknown,
  length: number,
): number | undefined {
  const { data } = optionsSchema.safeParse(options);
  if (data === undefined) return undefined;
  const { samples, batch_size: rows } = data.calibration;
  const { order, outputs } = fillLayerwise(data.as, data.calibration);
  const models = outputs === "original" ? 2 : 1;
  const { width, heads } = dimensionsOf(before);
  const targets = listTargets(before, after);
  const inputs = max(targets.map((each) => each.inputs));
  const countBytes = (matrices: readonly MatrixSpec[]) =>
    4 * sum(matrices.map((each) => each.inputs * each.outputs));
  const layerBytes = max([...groupBy(targets, ({ layer }) => layer).values()].map(countBytes));
  // All inputs of a layer are observed at once, or one after the other: in single precision, and summed in double precision.
  const observed = order === "layer" ? inputs ** 2 + 3 * width ** 2 : inputs ** 2;
  const statisticBytes = 12 * models * observed;
  const matrixBytes =
    8 *
    (curvatureCopies * inputs ** 2 + matrixCopies * max(targets.map((each) => each.inputs * each.outputs)));
  const stateBytes = 4 * models * samples * length * width;
  const widest = max(targets.map((each) => Math.max(each.inputs, each.outputs)));
  const activationBytes = 4 * models * rows * length * (activationCopies * widest + 2 * heads * length);
  const layers =
    models * layerCopies * layerBytes + Math.max(Math.min(unwrittenBytes, countBytes(targets)), layerBytes);
  // The largest tensor, usually the embeddings, is read and uploaded as a whole.
  const largest = 2 * max(parametersOf(before).map(({ shape, dtype }) => computeBytes({ shape, dtype })));
  return (
    processBytes +
    stateBytes +
    Math.max(largest, layers + statisticBytes + Math.max(matrixBytes, activationBytes))
  );
}

/** The matrices whose representation changes. */
function listTargets(before: ModelShape, after: ModelShape): MatrixSpec[] {
  const choice = ({ representations }: ModelShape, role: string) => JSON.stringify(representations[role]);
  return listMatrixSlots(after).flatMap(({ stored }) =>
    stored.flatMap(({ matrix }) =>
      choice(before, matrix.role) === choice(after, matrix.role) ? [] : [matrix],
    ),
  );
}

const max = (numbers: readonly number[]): number => numbers.reduce((a, b) => Math.max(a, b), 0);
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
