/**
 * GraphHash (Wu et al. 2025): tokens that occur near each other share a row of the token embedding. Clusters are communities of
 * the co-occurrence graph; hashing and frequency are the controls with equally many rows.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { getHead } from "../models/classifier";
import { listMatrixSlots, type ModelShape } from "../models/model";
import { encodeIndices, tableName } from "../representations/indexed";
import { drawHash, hashRange } from "../representations/universalHash";
import { assignByFrequency, assignCommunities, countPairs } from "../compression/coOccurrence";
import { calibrationSchema } from "../compression/calibration/batches";
import { chooseRepresentations, selectDenseTargets } from "../compression/denseTargets";
import { createShareOption, defineMethod, type Lab, planBetween } from "../compression/method";
import type { Target } from "../compression/targets";
import { listTensorNames, readDense, unpackTargets } from "../compression/unpackTargets";

const title = "GraphHash";

const optionsSchema = z.strictObject({
  rate: createShareOption(0.5, "Share of the rows of the token embedding to remove. At least one remains."),
  rows: z.int().min(1).optional().describe("Number of rows that remain, instead of `rate`."),
  by: z
    .enum(["graph", "random", "frequency"])
    .default("graph")
    .describe(
      "Tokens that share a row: communities of the co-occurrence graph, tokens of equal hash, or all but the most frequent ones. The last two are controls.",
    ),
  window: z
    .int()
    .min(1)
    .default(2)
    .describe("Largest distance of two tokens that are an edge of the graph, in tokens."),
  average: z
    .enum(["frequency", "equal"])
    .default("frequency")
    .describe(
      "The row of a cluster is the mean of its tokens' rows, weighted by how often they occur on the text, or equally.",
    ),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .optional()
    .describe("Seed of the hash of `by: random`. Default: the seed of the run."),
  calibration: calibrationSchema,
});
type Options = z.output<typeof optionsSchema>;

const calibration = { samples: 8, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper:
    "Wu, Loveland, Chen, Zhao, Kim, Zhu, Liu, Shah, Koutra: GraphHash: Graph Clustering Enables Parameter Efficiency in Recommender Systems, 2025",
  options: optionsSchema,
  rate: "rate",
  needs: (options) => (readsText(options) ? ["text"] : []),
  samples: [
    { calibration },
    { rows: 3, by: "frequency", average: "equal", calibration },
    { rate: 0.7, by: "random", average: "equal", seed: 3 },
    { rate: 0.3, window: 4, calibration },
  ],

  plan: (before, options) => planBetween(before, decide(before, options).after, "roles"),

  async apply(before, options, lab) {
    const { target, rows, after } = decide(before.shape, options);
    if (target === undefined) return before;
    const { matrix } = target;
    const text = readsText(options)
      ? countPairs(
          lab.readTokens(options.calibration),
          matrix.inputs,
          options.by === "graph" ? options.window : 0,
        )
      : { counts: new Float64Array(matrix.inputs), pairs: new Map<number, number>() };
    const indices = assignRows(options, matrix.inputs, rows, text, lab);
    lab.progress(1, 1, "matrices");
    const tensors = unpackTargets(before, [target]);
    const dense = readDense(tensors, target);
    for (const name of listTensorNames(target)) tensors.delete(name);
    for (const [name, tensor] of encodeIndices(indices, matrix, { rows })) tensors.set(name, tensor);
    const weights = options.average === "equal" ? new Float64Array(matrix.inputs).fill(1) : text.counts;
    const data = averageRows(dense, indices, weights, rows);
    tensors.set(tableName(matrix), { shape: [rows, matrix.outputs], data });
    return { ...before, shape: after, tensors };
  },
});

const readsText = ({ by, average }: Options): boolean => by !== "random" || average !== "equal";

/** No target if every token keeps its row. */
function decide(shape: ModelShape, options: Options) {
  const { matrix } = listMatrixSlots(shape).find((slot) => slot.matrix.purpose === "token embedding")!;
  const [target] = selectDenseTargets(title, shape, { targets: matrix.role }) as [Target];
  const hasHead = listMatrixSlots(shape).some((slot) => slot.matrix.purpose === "head");
  if (!hasHead && getHead(shape.config) === undefined)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: the head reads the rows of ${matrix.role}, so that tokens with a common row would be equally likely. Give the head a matrix of its own first, for example with quarot.`,
    );
  const rows = options.rows ?? Math.max(1, Math.round((1 - options.rate) * matrix.inputs));
  if (rows > matrix.inputs)
    throw new WorkbenchError(
      "invalid-input",
      `${title} cannot be applied: rows is ${rows}, but ${matrix.role} has ${matrix.inputs} rows. Set fewer rows.`,
    );
  const targets = rows < matrix.inputs ? [target] : [];
  const after = chooseRepresentations(shape, targets, () => ({ type: "indexed", options: { rows } }));
  return { target: targets[0], rows, after };
}

function assignRows(
  { by, seed }: Options,
  vocabulary: number,
  rows: number,
  text: ReturnType<typeof countPairs>,
  lab: Lab,
): Int32Array {
  if (by === "graph") return assignCommunities(text, rows);
  if (by === "frequency") return assignByFrequency(text.counts, rows);
  return hashRange(drawHash("graphhash", (seed ?? lab.seed) >>> 0), vocabulary, rows);
}

/** The mean of the rows of each cluster, which has the least squared error; equal weights where none of them is above 0. */
function averageRows(
  dense: Float32Array,
  indices: Int32Array,
  weights: Float64Array,
  rows: number,
): Float32Array {
  const width = dense.length / indices.length;
  const totals = new Float64Array(rows);
  const sizes = new Int32Array(rows);
  indices.forEach((row, token) => {
    totals[row]! += weights[token]!;
    sizes[row]!++;
  });
  const sums = new Float64Array(rows * width);
  indices.forEach((row, token) => {
    const share = totals[row]! > 0 ? weights[token]! / totals[row]! : 1 / sizes[row]!;
    for (let i = 0; i < width; i++) sums[row * width + i]! += share * dense[token * width + i]!;
  });
  return Float32Array.from(sums);
}
