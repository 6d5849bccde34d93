/**
 * How far the layers of a model have moved from those of another one, such as itself before it was shrunk: linear centered kernel
 * alignment (Kornblith et al. 2019, arXiv 1905.00414) of the tokens' hidden states after each layer, and how many of the nearest
 * tokens of each token are still the nearest.
 */
import * as z from "zod";
import {
  compareNeighbors,
  computeAlignment,
  createKernel,
  estimateDependence,
  type Kernel,
} from "../../statistics/similarity";
import { WorkbenchError } from "../../protocol/errors";
import type { Program, Tensors } from "../engine/engine";
import { input, type Value } from "../graph/op";
import { matmul } from "../graph/ops/matmul";
import { createInferenceSource, toInferenceTensors } from "../models/inference";
import { buildHiddenStates, dimensionsOf, type ModelShape } from "../models/model";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { uploadAll } from "../training/feeds";
import { defineMetric, type EvaluationLab, getSplit, type Subject } from "./metric";

const optionsSchema = z.strictObject({
  model: z
    .string()
    .min(1)
    .describe(
      "The model to compare with, named as for `base_model`: the run before compression, or another one.",
    ),
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to read."),
  max_tokens: z
    .int()
    .min(16)
    .default(4096)
    .describe("Read only this many tokens, in whole windows, from the start of the split."),
  context: z
    .int()
    .min(4)
    .max(512)
    .optional()
    .describe(
      "Tokens per window, which are compared with one another. The default is `sequence_len`, at most 256 and the context of both models.",
    ),
  neighbors: z
    .int()
    .min(1)
    .default(10)
    .describe("Nearest tokens of each token in its window that are compared."),
});
type Options = z.output<typeof optionsSchema>;

interface LayerSimilarity {
  /** Numbers of the layers, from 1. */
  readonly layer: number;
  readonly other: number;
  readonly cka: number;
  readonly neighbors: number;
}

interface Representations {
  readonly model: string;
  /** Each layer with the one at the same relative depth of the other model. */
  readonly layers: readonly LayerSimilarity[];
  /** The alignment of every layer with every layer of the other model. */
  readonly cka: readonly (readonly number[])[];
  readonly tokens: number;
  readonly context: number;
}

const usualContext = 256;

export default defineMetric<Options, Representations>({
  title: "Representations",
  options: optionsSchema,
  needs: ["data"],
  goals: { "representations/cka*": "maximize", "representations/neighbors*": "maximize" },
  samples: [
    { model: "other", max_tokens: 32, context: 8, neighbors: 2 },
    { model: "other", max_tokens: 16, split: "train", context: 6, neighbors: 1 },
  ],
  // Another model can change while the options stay the same.
  readsFiles: () => true,
  check: (subject, options) => {
    resolveContext(subject, options, []);
  },
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const { layers } = details;
    const mean = (key: "cka" | "neighbors") =>
      layers.reduce((sum, each) => sum + each[key] / layers.length, 0);
    return {
      values: {
        "representations/cka": mean("cka"),
        "representations/neighbors": mean("neighbors"),
        ...Object.fromEntries(
          layers.flatMap(({ layer, cka, neighbors }) => [
            [`representations/cka_layer_${layer}`, cka],
            [`representations/neighbors_layer_${layer}`, neighbors],
          ]),
        ),
      },
      lines: [
        ...layers.map(
          ({ layer, other, cka, neighbors }) =>
            `layer ${layer} and layer ${other} of ${options.model}: CKA ${cka.toFixed(4)}, ${(100 * neighbors).toFixed(1)} % of the nearest tokens kept`,
        ),
        `${subject.data!.title}, ${options.split} split, ${details.tokens} tokens in windows of ${details.context}`,
      ],
      details,
    };
  },
});

function resolveContext(
  { shape, data }: Pick<Subject, "shape" | "data">,
  options: Options,
  others: readonly ModelShape[],
): number {
  const most = Math.min(...[shape, ...others].map((each) => dimensionsOf(each).context));
  const split = getSplit(data, options.split);
  const context = options.context ?? Math.min(usualContext, split.layout.sequenceLength, most);
  const refuse = (why: string) =>
    new WorkbenchError("invalid-input", `representations cannot be measured: ${why}`);
  if (context > most)
    throw refuse(
      `a context of ${context} is longer than the ${most} positions of a model. Lower representations.context.`,
    );
  if (context < 4 || options.neighbors >= context)
    throw refuse(
      `a window of ${context} tokens is too short for ${options.neighbors} neighbors, and four tokens are the least. Raise representations.context or lower neighbors.`,
    );
  if (split.tokens < context)
    throw refuse(
      `the ${options.split} split has ${split.tokens} tokens, less than a window of ${context}. Provide more text.`,
    );
  return context;
}

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<Representations> {
  resolveContext(subject, options, []);
  if (lab.openModel === undefined)
    throw new WorkbenchError(
      "unsupported",
      "representations needs another model, which cannot be opened here.",
    );
  const other = await lab.openModel(options.model);
  refuseOtherVocabulary(subject.shape, other.shape, options.model);
  const context = resolveContext(subject, options, [other.shape]);
  const split = getSplit(subject.data, options.split);
  const windows = Math.min(Math.floor(options.max_tokens / context), Math.floor(split.tokens / context));
  await using own = await LayerGrams.open(subject, context, lab);
  await using others = await LayerGrams.open(other, context, lab);
  const [rows, columns] = [subject.shape, other.shape].map((shape) => dimensionsOf(shape).layers) as [
    number,
    number,
  ];
  const pairs = pairLayers(rows, columns);
  const both = createTable(rows, columns);
  const [ofOwn, ofOthers] = [new Float64Array(rows), new Float64Array(columns)];
  const kept = new Float64Array(rows);
  for (let window = 0; window < windows; window++) {
    const tokens = split.read(window * context, context);
    const [a, b] = [await own.read(tokens), await others.read(tokens)];
    a.forEach((kernel, i) => (ofOwn[i]! += estimateDependence(kernel, kernel)));
    b.forEach((kernel, j) => (ofOthers[j]! += estimateDependence(kernel, kernel)));
    a.forEach((kernel, i) => b.forEach((each, j) => (both[i]![j]! += estimateDependence(kernel, each))));
    pairs.forEach((j, i) => (kept[i]! += compareNeighbors(a[i]!, b[j]!, options.neighbors) / windows));
    lab.progress(window + 1, windows, "windows");
  }
  const cka = both.map((row, i) => row.map((value, j) => computeAlignment(value, ofOwn[i]!, ofOthers[j]!)));
  return {
    model: options.model,
    layers: pairs.map((j, i) => ({ layer: i + 1, other: j + 1, cka: cka[i]![j]!, neighbors: kept[i]! })),
    cka,
    tokens: windows * context,
    context,
  };
}

function refuseOtherVocabulary(own: ModelShape, other: ModelShape, name: string): void {
  const [ours, theirs] = [own, other].map((shape) => dimensionsOf(shape).vocabulary);
  if (ours === theirs) return;
  throw new WorkbenchError(
    "invalid-input",
    `representations cannot compare with ${name}: it has ${theirs} tokens, and the model has ${ours}. Name a model with the same tokenizer.`,
  );
}

const createTable = (rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, () => new Array<number>(columns).fill(0));

/** For each layer the one at the same relative depth: the last with the last. */
function pairLayers(own: number, other: number): number[] {
  return Array.from({ length: own }, (_, i) => Math.max(0, Math.round(((i + 1) * other) / own) - 1));
}

/** Computes the Gram matrix of the tokens of a window after each layer. */
class LayerGrams implements AsyncDisposable {
  private constructor(
    private readonly lab: EvaluationLab,
    private readonly program: Program,
    private readonly weights: Tensors,
    private readonly context: number,
    private readonly layers: number,
  ) {}

  static async open(
    { shape, tensors }: Pick<Subject, "shape" | "tensors">,
    context: number,
    lab: EvaluationLab,
  ): Promise<LayerGrams> {
    const outputs: Record<string, Value> = {};
    let layers = 0;
    buildHiddenStates(
      shape,
      createInferenceSource(shape),
      { tokens: input("tokens", [1, context], "int32") },
      {
        inference: "engine",
        onLayer: (_, output) => {
          outputs[`layer ${layers++}`] = matmul(output, output, { transposeB: true });
        },
      },
    );
    const program = await lab.engine.compile({ outputs });
    return new LayerGrams(
      lab,
      program,
      uploadAll(lab.engine, toInferenceTensors(shape, tensors)),
      context,
      layers,
    );
  }

  async read(tokens: Int32Array): Promise<Kernel[]> {
    const { engine, signal } = this.lab;
    if (signal.aborted) throw new WorkbenchError("cancelled", "The evaluation was stopped.");
    const feeds = { tokens: engine.upload({ dtype: "int32", shape: [1, this.context] }, tokens.slice()) };
    const results = await this.program.run(pickTensors(this.program.inputs, { ...this.weights, ...feeds }));
    const kernels: Kernel[] = [];
    for (let layer = 0; layer < this.layers; layer++) {
      const gram = (await results[`layer ${layer}`]!.read()) as Float32Array;
      if (!gram.every(Number.isFinite))
        throw new WorkbenchError(
          "diverged",
          `The hidden states after layer ${layer + 1} are not finite: the model's weights are broken, or too large for float32.`,
        );
      kernels.push(createKernel(gram, this.context));
    }
    disposeAll(feeds);
    disposeAll(results);
    return kernels;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    disposeAll(this.weights);
    await this.program[Symbol.asyncDispose]();
  }
}
