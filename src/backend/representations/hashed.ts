/**
 * A matrix whose weights are entries of a smaller array, found by hashing: randomized parameter sharing (ROAST, Desai et al.
 * 2023; STABLE-RPS, Desai and Shrivastava 2024). w = λ · s · ψ[h], with a hash h of runs of consecutive weights and a sign s.
 * Only the array and a seed are stored.
 */
import * as z from "zod";
import { constant, type Value } from "../graph/op";
import { add, mul, sub } from "../graph/ops/elementwise";
import { detach } from "../graph/ops/gate";
import { gather } from "../graph/ops/indexing";
import { matmul } from "../graph/ops/matmul";
import { concat, reshape, slice, transpose } from "../graph/ops/movement";
import { expand } from "../graph/ops/reduction";
import { requireFloats } from "./dense";
import {
  countScalars,
  createWeightSpec,
  defineRepresentation,
  type Inference,
  type MatrixSpec,
  type ParameterSpec,
  type ValueSource,
} from "./representation";
import { drawHash, hashRange } from "./universalHash";

export const hashMappings = ["fold", "blocks"] as const;
export const hashGradients = ["mean", "sum"] as const;

export interface HashedOptions {
  /** Scalars of the array, m. */
  readonly size: number;
  /**
   * `fold` cuts the weights into runs of m, each rotated by its hash, so that entries are used equally often (RANDOMFOLD).
   * `blocks` cuts them into runs of `block`, each at a hashed place (ROAST).
   */
  readonly mapping: (typeof hashMappings)[number];
  readonly block: number;
  /** λ, by which the entries are multiplied. */
  readonly scale: number;
  /** Whether an entry's gradient is divided by Σλ² over its weights (STABLE-RPS), or is the plain sum. */
  readonly gradient: (typeof hashGradients)[number];
  /** Seed of the hashes. */
  readonly seed: number;
  /** The role for which they were drawn, if the role of the matrix has changed since. */
  readonly drawn_as?: string | undefined;
}

export const arrayName = (matrix: MatrixSpec): string => `${matrix.name}.weight_array`;

const countWeights = ({ inputs, outputs }: MatrixSpec): number => inputs * outputs;

/** Where each run of consecutive weights of [inputs, outputs] starts in the array, and the length of a run. */
export function hashRuns(
  matrix: MatrixSpec,
  { size, mapping, block, seed, drawn_as = matrix.role }: HashedOptions,
): { readonly starts: Int32Array; readonly length: number } {
  const length = mapping === "fold" ? size : block;
  const range = mapping === "fold" ? size : size - block + 1;
  const runs = Math.ceil(countWeights(matrix) / length);
  return { starts: hashRange(drawHash(`${drawn_as}#runs`, seed), runs, range), length };
}

/** The entry of the array for each weight, in the order of [inputs, outputs]. */
export function listPlaces(matrix: MatrixSpec, options: HashedOptions): Int32Array {
  const { starts, length } = hashRuns(matrix, options);
  return Int32Array.from(
    { length: countWeights(matrix) },
    (_, i) => (starts[Math.floor(i / length)]! + (i % length)) % options.size,
  );
}

/** How many weights share each entry. */
export function countUses(matrix: MatrixSpec, options: HashedOptions): Int32Array {
  const uses = new Int32Array(options.size);
  for (const place of listPlaces(matrix, options)) uses[place]!++;
  return uses;
}

/** The sign of a weight is that of its input times that of its output, so that two weights agree with probability ½. */
export function drawSigns(
  matrix: MatrixSpec,
  { seed, drawn_as = matrix.role }: HashedOptions,
): { readonly inputs: Float32Array; readonly outputs: Float32Array } {
  const draw = (what: string, count: number) =>
    Float32Array.from(hashRange(drawHash(`${drawn_as}#${what}`, seed), count, 2), (bit) => 2 * bit - 1);
  return { inputs: draw("inputs", matrix.inputs), outputs: draw("outputs", matrix.outputs) };
}

/** The array that comes nearest to a dense matrix [inputs, outputs]: the mean of s·w / λ over the weights of an entry. */
export function fitArray(dense: Float32Array, matrix: MatrixSpec, options: HashedOptions): Float32Array {
  const signs = drawSigns(matrix, options);
  const sums = new Float64Array(options.size);
  const uses = new Int32Array(options.size);
  listPlaces(matrix, options).forEach((place, i) => {
    const sign = signs.inputs[Math.floor(i / matrix.outputs)]! * signs.outputs[i % matrix.outputs]!;
    sums[place]! += sign * dense[i]!;
    uses[place]!++;
  });
  return Float32Array.from(sums, (sum, place) => sum / (Math.fround(options.scale) * (uses[place]! || 1)));
}

/** 0 … length − 1 as int32, from constants of about √length. */
function buildIota(length: number): Value {
  const width = Math.ceil(Math.sqrt(length));
  const rows = Math.ceil(length / width);
  const firsts = constant(
    Int32Array.from({ length: rows }, (_, i) => i * width),
    [rows, 1],
  );
  const steps = constant(
    Int32Array.from({ length: width }, (_, i) => i),
    [1, width],
  );
  return cut(add(firsts, steps), length);
}

/** The first `length` elements, as a vector. */
function cut(values: Value, length: number): Value {
  const all = values.type.shape.reduce((product, each) => product * each, 1);
  const flat = reshape(values, { shape: [all] });
  return all === length ? flat : slice(flat, { axis: 0, start: 0, end: length });
}

/** A constant vector, as the concatenation of its runs of equal numbers where these are few. */
function buildRuns(numbers: Float32Array): Value {
  const ends = [...numbers.keys()].filter((i) => numbers[i] !== numbers[i + 1]);
  if (ends.length > 64) return constant(numbers, [numbers.length]);
  const runs = ends.map((end, i) =>
    expand(constant(Float32Array.of(numbers[end]!), [1]), { shape: [end - (ends[i - 1] ?? -1)] }),
  );
  return runs.length === 1 ? runs[0]! : concat(...runs, { axis: 0 });
}

/** ψ, whose gradient is divided by Σλ² over the weights of each entry; its values are those of the array. */
function averageGradient(array: Value, matrix: MatrixSpec, options: HashedOptions): Value {
  const shares = Float32Array.from(
    countUses(matrix, options),
    (uses) => 1 / (options.scale ** 2 * (uses || 1)),
  );
  if (shares.every((share) => share === 1)) return array;
  const held = detach(array);
  return add(held, mul(buildRuns(shares), sub(array, held)));
}

/** The entries of all weights without signs and scale, [inputs, outputs]. */
function buildEntries(array: Value, matrix: MatrixSpec, options: HashedOptions): Value {
  const { starts, length } = hashRuns(matrix, options);
  const table = options.mapping === "fold" ? concat(array, array, { axis: 0 }) : array;
  const steps = reshape(buildIota(length), { shape: [1, length] });
  const places = cut(add(constant(starts, [starts.length, 1]), steps), countWeights(matrix));
  return reshape(gather(table, places), { shape: [matrix.inputs, matrix.outputs] });
}

/** Both sign vectors as graph values: [1, inputs], and [1, outputs] times the scale. */
function buildSigns(matrix: MatrixSpec, options: HashedOptions) {
  const signs = drawSigns(matrix, options);
  return {
    ofInputs: constant(signs.inputs, [1, matrix.inputs]),
    ofOutputs: constant(
      signs.outputs.map((sign) => sign * options.scale),
      [1, matrix.outputs],
    ),
  };
}

function applyArray(x: Value, array: Value, matrix: MatrixSpec, options: HashedOptions): Value {
  const { ofInputs, ofOutputs } = buildSigns(matrix, options);
  return mul(matmul(mul(x, ofInputs), buildEntries(array, matrix, options)), ofOutputs);
}

/** In the layout of the family. */
function buildDense(array: Value, matrix: MatrixSpec, options: HashedOptions): Value {
  const { ofInputs, ofOutputs } = buildSigns(matrix, options);
  const byInput = mul(buildEntries(array, matrix, options), reshape(ofInputs, { shape: [matrix.inputs, 1] }));
  const weight = mul(byInput, ofOutputs);
  return matrix.layout === "in_out" ? weight : transpose(weight, { perm: [1, 0] });
}

const listParameters = (matrix: MatrixSpec, { size }: HashedOptions): ParameterSpec[] => [
  createWeightSpec(matrix, "weight_array", [size]),
];

const readArray = (values: ValueSource, matrix: MatrixSpec, options: HashedOptions): Value => {
  const array = values(arrayName(matrix));
  return options.gradient === "mean" ? averageGradient(array, matrix, options) : array;
};

/** The same array without the scale of its gradients. */
function createPlainInference(matrix: MatrixSpec, options: HashedOptions): Inference | undefined {
  if (options.gradient === "sum") return undefined;
  const name = arrayName(matrix);
  return {
    parameters: listParameters(matrix, options),
    tensors: (source) => [[name, { shape: [options.size], data: source(name) }]],
    apply: (x, values) => applyArray(x, values(name), matrix, options),
    dense: (values) => buildDense(values(name), matrix, options),
  };
}

export default defineRepresentation<HashedOptions>({
  title: "Hashed",
  contents: "hashed weights",
  worth:
    "The array is smaller in the file. Its entries are looked up before each product, so that memory at run time and time are those of the dense matrix.",
  options: z.strictObject({
    size: z.int().min(1).describe("Number of scalars in the array."),
    mapping: z
      .enum(hashMappings)
      .default("fold")
      .describe(
        "`fold` cuts the weights into runs of `size` and rotates each, so that no entry is used more often than another. `blocks` puts runs of `block` weights at hashed places.",
      ),
    block: z.int().min(1).default(32).describe("Consecutive weights in a run of `blocks`."),
    scale: z.number().positive().default(1).describe("Factor λ of the entries."),
    gradient: z
      .enum(hashGradients)
      .default("mean")
      .describe(
        "Whether the gradient of an entry is divided by the sum of λ² over its weights, or is the plain sum.",
      ),
    seed: z.int().min(0).default(0).describe("Seed of the hash functions."),
    drawn_as: z
      .string()
      .optional()
      .describe("Role for which they were drawn, if the layer has moved since. Default: the current role."),
  }),
  convertOptions: (options, role) => ({ drawn_as: role, ...options }),
  refuses: (matrix, { size, mapping, block }) => {
    if (size > countWeights(matrix))
      return `its array of ${size} scalars would be larger than its ${countWeights(matrix)} weights`;
    return mapping === "blocks" && block > size
      ? `a block of ${block} weights does not fit into an array of ${size}`
      : undefined;
  },
  parameters: listParameters,
  apply: (x, values, matrix, options) => applyArray(x, readArray(values, matrix, options), matrix, options),
  dense: (values, matrix, options) => buildDense(readArray(values, matrix, options), matrix, options),
  inference: createPlainInference,
  inFile: createPlainInference,
  materialize: (tensors, matrix, options) => {
    const array = requireFloats(arrayName(matrix), tensors(arrayName(matrix)));
    const signs = drawSigns(matrix, options);
    const scale = Math.fround(options.scale);
    const dense = new Float32Array(countWeights(matrix));
    listPlaces(matrix, options).forEach((place, i) => {
      const sign = signs.inputs[Math.floor(i / matrix.outputs)]! * signs.outputs[i % matrix.outputs]!;
      dense[i] = scale * sign * array[place]!;
    });
    return dense;
  },
  // Entries that are zero, or that no block covers, are stored like any other.
  count: (matrix, options) => {
    const counts = countScalars(listParameters(matrix, options));
    const { scale, drawn_as } = options;
    return {
      ...counts,
      bits: counts.bits + seedBits + (scale === 1 ? 0 : scaleBits) + (drawn_as === undefined ? 0 : layerBits),
    };
  },
});

const seedBits = 32;
const scaleBits = 32;
const layerBits = 32;
