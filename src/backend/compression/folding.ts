/**
 * Moves factors of the inputs of matrices into what computes these inputs: into the weights of a norm, or into the outputs
 * of another matrix. The function of the model does not change, only how its values are distributed (SmoothQuant, Xiao et
 * al. 2023, equation 3; AWQ, Lin et al. 2024, equation 4).
 */
import type { HostTensor } from "../checkpoints/safetensors";
import type { ModelShape } from "../models/model";
import { listInputSources, type ResolvedSource } from "../models/inputSources";
import { listLeaves, type StoredMatrix } from "../models/weights";
import { weightName } from "../representations/dense";
import { readFloats } from "./unpackTargets";

/** Representations whose weights are one tensor in the layout of the family. */
const plainTypes = ["dense", "masked", "sliced"];

const isPlain = ({ type, pieces }: StoredMatrix): boolean =>
  plainTypes.includes(type) && pieces.every(isPlain);

/** Lists the sources whose matrices are stored so that factors can be moved; a tied head has no input of its own. */
export function listFoldableSources(shape: ModelShape): ResolvedSource[] {
  return listInputSources(shape).filter(({ readers, isTied, producer }) => {
    const slots = [...readers, ...(producer === undefined ? [] : [producer.slot])];
    return !isTied && slots.every(({ stored }) => stored.every(isPlain));
  });
}

/**
 * Multiplies the weights of each input of the readers by its factor, and divides the source's outputs by it. `factors` has
 * one positive number for each input; those of the same output of the source are equal (see `shareCopies`). The tensors
 * that change are replaced in the map, not modified.
 */
export function foldFactors(
  tensors: Map<string, HostTensor>,
  { readers, norm, producer }: ResolvedSource,
  factors: ArrayLike<number>,
): void {
  for (const slot of readers)
    for (const each of slot.stored) scaleMatrix(tensors, each, "inputs", (input) => factors[input]!);
  if (norm !== undefined)
    for (const name of [norm.weight, ...(norm.bias === undefined ? [] : [norm.bias])])
      scaleTensor(tensors, name, (i) => 1 / factors[i]!);
  if (producer !== undefined) scaleOutputs(tensors, producer, factors);
}

/** Replaces the factors of inputs that are copies of one output of the source by their geometric mean. */
export function shareCopies({ producer }: ResolvedSource, factors: ArrayLike<number>): Float64Array {
  if (producer === undefined || producer.copies === 1) return Float64Array.from(factors);
  const { copies } = producer;
  const logs = new Float64Array(factors.length / copies);
  for (let i = 0; i < factors.length; i++) logs[findOutput(i, producer)]! += Math.log(factors[i]!) / copies;
  return Float64Array.from(factors, (_, i) => Math.exp(logs[findOutput(i, producer)]!));
}

type Producer = NonNullable<ResolvedSource["producer"]>;

/** The output of the source that is read as this input. */
function findOutput(input: number, { unit, copies }: Producer): number {
  return Math.floor(input / (unit * copies)) * unit + (input % unit);
}

function scaleOutputs(
  tensors: Map<string, HostTensor>,
  producer: Producer,
  factors: ArrayLike<number>,
): void {
  const { slot, from, to } = producer;
  const byOutput = new Float64Array(to - from);
  for (let i = 0; i < factors.length; i++) byOutput[findOutput(i, producer)] = 1 / factors[i]!;
  const ofOutput = (start: number) => (output: number) => byOutput[start + output - from] ?? 1;
  const { parts } = slot.matrix;
  slot.stored.forEach((each, i) =>
    scaleMatrix(tensors, each, "outputs", ofOutput(slot.split ? parts![i]!.from : 0)),
  );
  if (slot.bias !== undefined) scaleTensor(tensors, slot.bias.spec.name, ofOutput(0));
}

function scaleMatrix(
  tensors: Map<string, HostTensor>,
  stored: StoredMatrix,
  along: "inputs" | "outputs",
  factorOf: (index: number) => number,
): void {
  // The kept rows and columns of a sliced matrix are its first.
  const { matrix } = listLeaves(stored)[0]!;
  const name = weightName(matrix);
  const columns = tensors.get(name)!.shape[1]!;
  const isByRow = (matrix.layout === "in_out") === (along === "inputs");
  scaleTensor(tensors, name, (i) => factorOf(isByRow ? Math.floor(i / columns) : i % columns));
}

function scaleTensor(
  tensors: Map<string, HostTensor>,
  name: string,
  factorOf: (index: number) => number,
): void {
  const data = readFloats(tensors, name).map((each, i) => each * factorOf(i));
  tensors.set(name, { shape: tensors.get(name)!.shape, data });
}

/** Lower bound of magnitudes and factors, as in the published code. */
const smallest = 1e-5;

/** The factor of each input by SmoothQuant: max|x|^α / max|w|^(1 − α), from these maxima. */
export function computeSmoothingFactors(
  activations: ArrayLike<number>,
  weights: ArrayLike<number>,
  strength: number,
): Float64Array {
  return Float64Array.from(activations, (each, i) =>
    Math.max(smallest, each ** strength / Math.max(smallest, weights[i]!) ** (1 - strength)),
  );
}
