/** What each exit of a model knows, and what leaving at a threshold saves and costs. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { shuffleIndices } from "../data/partition";
import { requireNextToken } from "../models/classifier";
import { getExitLayers } from "../models/exits";
import { dimensionsOf } from "../models/model";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { ApartPrograms, readNumbers } from "./apartTexts";
import { buildExitComparison, type Confidence } from "./exitGraphs";
import { ExitNextToken, type ExitPolicy } from "./exitNextToken";
import { addExitUse, computeExitShares, type ExitUse } from "./exitUse";
import { defineMetric, type EvaluationLab, getSplit, getTokenizer, type Subject } from "./metric";
import { CachedNextToken } from "./nextToken";
import { findMostLikely } from "./sampling";

const threshold = z.number().positive();

const optionsSchema = z.strictObject({
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to score."),
  context: z
    .int()
    .min(3)
    .optional()
    .describe("Tokens of a text. The default is `sequence_len`, at most the model's context."),
  max_tokens: z
    .int()
    .min(3)
    .default(2048)
    .describe("Read only this many tokens, in whole texts, from the start of the split."),
  thresholds: z
    .union([threshold, z.array(threshold).min(1)])
    .default([0.5, 0.8, 0.9, 0.95])
    .describe("Threshold of the confidence at which tokens leave, or several."),
  confidence: z
    .enum(["probability", "classifier", "random"])
    .default("probability")
    .describe(
      "What a threshold is compared with, as in `inference.exits`. `random` is a control: as many tokens leave at each exit as with `probability`, but which ones is drawn.",
    ),
});
type Options = z.output<typeof optionsSchema>;

/** Means over the scored tokens. */
interface Quality {
  /** Nats per token. */
  readonly loss: number;
  /** Share of tokens of which the most likely one is that of the text. */
  readonly accuracy: number;
  /** Share of tokens of which the most likely one is that of the whole model. */
  readonly agreement: number;
}

/** The logits after a number of layers, with all layers of earlier tokens. */
export interface LayerQuality extends Quality {
  readonly layers: number;
}

/** Tokens that leave at a threshold, with copied keys and values of skipped layers. */
export interface ThresholdQuality extends Quality, ExitUse {
  readonly threshold: number;
  readonly shares: readonly number[];
}

export interface Exits {
  readonly confidence: Options["confidence"];
  /** Of each exit, then of the whole model. */
  readonly layers: readonly LayerQuality[];
  readonly thresholds: readonly ThresholdQuality[];
  readonly texts: number;
  readonly scored_tokens: number;
}

export default defineMetric<Options, Exits>({
  title: "Exits",
  options: optionsSchema,
  needs: ["data", "tokenizer"],
  goals: {
    "exits/loss*": "minimize",
    "exits/accuracy*": "maximize",
    "exits/agreement*": "maximize",
    "exits/flops_saved*": "maximize",
    "exits/layers*": "minimize",
  },
  samples: [
    { context: 6, max_tokens: 18, thresholds: [0.3, 2] },
    { context: 6, max_tokens: 12, thresholds: 0.2, confidence: "random" },
  ],
  checkModel: (shape) => {
    requireNextToken(shape, "it has no exits");
    if (getExitLayers(shape.config).length > 0) return;
    throw new WorkbenchError(
      "invalid-input",
      "The model has no exits, which evaluate.exits measures. Train some with train.exits in a train cell above.",
    );
  },
  check: (subject, options) => void resolveContext(subject, options),
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    return {
      values: Object.assign(
        {},
        ...details.layers.map((each) => toValues(each, `_layer_${each.layers}`)),
        ...details.thresholds.map((each, _, { length }) => {
          const place = length === 1 ? "" : `_at_${each.threshold}`;
          return {
            ...toValues(each, place),
            [`exits/flops_saved${place}`]: 1 - each.flops / each.fullFlops,
            [`exits/layers${place}`]: each.layers.reduce((sum, layer, i) => sum + layer * each.shares[i]!, 0),
          };
        }),
      ) as Record<`exits/${string}`, number>,
      lines: [
        ...details.layers.map(
          (each) => `${each.layers} ${each.layers === 1 ? "layer" : "layers"}: ${formatQuality(each)}`,
        ),
        ...details.thresholds.map(
          (each) =>
            `threshold ${each.threshold}: ${formatQuality(each)}; tokens by layers ${each.layers
              .map((layer, i) => `${layer}: ${percent(each.shares[i]!)}`)
              .join(", ")}; ${percent(each.flops / each.fullFlops)} of the whole model's FLOPs`,
        ),
        `${subject.data!.title}, ${options.split} split, ${details.texts} texts, ${details.scored_tokens} tokens scored, ${
          details.confidence === "random"
            ? "exits drawn at random, as many of each as by probability"
            : `confidence by ${details.confidence}`
        }`,
      ],
      details,
    };
  },
});

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const formatQuality = ({ loss, accuracy, agreement }: Quality): string =>
  `loss ${loss.toFixed(4)} nats/token, ${percent(accuracy)} right, ${percent(agreement)} as the whole model`;

const toValues = ({ loss, accuracy, agreement }: Quality, where: string) => ({
  [`exits/loss${where}`]: loss,
  [`exits/accuracy${where}`]: accuracy,
  [`exits/agreement${where}`]: agreement,
});

function resolveContext({ shape, data }: Pick<Subject, "shape" | "data">, options: Options): number {
  const { context: longest } = dimensionsOf(shape);
  const context =
    options.context ?? Math.max(3, Math.min(getSplit(data, options.split).layout.sequenceLength, longest));
  if (context <= longest) return context;
  throw new WorkbenchError(
    "unsupported",
    `exits.context is ${context} tokens, but the model has only ${longest} positions. Set it to at most ${longest}.`,
  );
}

function readTexts(subject: Subject, context: number, options: Options): number[][] {
  const split = getSplit(subject.data, options.split);
  const count = Math.floor(Math.min(split.tokens, options.max_tokens) / context);
  if (count === 0)
    throw new WorkbenchError(
      "invalid-input",
      `The ${options.split} split has ${split.tokens} tokens, of which exits.max_tokens allows ${Math.min(split.tokens, options.max_tokens)}: too few for a text of ${context}. Provide more text, raise max_tokens, or lower exits.context.`,
    );
  const ids = split.read(0, count * context);
  return Array.from({ length: count }, (_, i) => [...ids.slice(i * context, (i + 1) * context)]);
}

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<Exits> {
  requireNextToken(subject.shape, "it has no exits");
  getTokenizer(subject);
  const context = resolveContext(subject, options);
  const texts = readTexts(subject, context, options);
  await using programs = new ApartPrograms(lab.engine, subject, context);
  const values = [options.thresholds].flat();
  const { confidence } = options;
  const judge: Confidence = confidence === "random" ? "probability" : confidence;
  const passes = 1 + values.length * (confidence === "random" ? 2 : 1);
  const layers = await compareLayers(programs, texts, lab);
  const reader = new TextReader(programs, texts, lab, passes);
  await reader.readWhole();
  const thresholds: ThresholdQuality[] = [];
  for (const value of values) {
    const chosen = await reader.read(() => ({ threshold: value, confidence: judge }));
    const { places: _, ...measured } =
      confidence === "random" ? await reader.read(drawPlaces(chosen.places, lab.seed)) : chosen;
    thresholds.push({ threshold: value, ...measured });
  }
  const scored = texts.length * (context - 1);
  return { confidence, layers, thresholds, texts: texts.length, scored_tokens: scored };
}

/** The places of all tokens in random order, which keeps how many there are of each. The classifier's layers look at exits cheaply. */
function drawPlaces(places: readonly (readonly number[])[], seed: number): (text: number) => ExitPolicy {
  const all = places.flat();
  const drawn = Array.from(shuffleIndices(all.length, seed), (index) => all[index]!);
  const perText = all.length / places.length;
  return (text) => ({
    threshold: Infinity,
    confidence: "classifier",
    places: drawn.slice(text * perText, (text + 1) * perText),
  });
}

/** Reads the texts token by token, several times: first with the whole model, with which the others are compared. */
class TextReader {
  #passes = 0;
  /** Most likely tokens of the whole model in each text. */
  readonly #tops: number[][];

  constructor(
    private readonly programs: ApartPrograms,
    private readonly texts: readonly (readonly number[])[],
    private readonly lab: EvaluationLab,
    /** How often they will be read. */
    private readonly passes: number,
  ) {
    this.#tops = texts.map(() => []);
  }

  async readWhole(): Promise<void> {
    const { programs, texts, lab } = this;
    await using next = new CachedNextToken(lab.engine, programs.model, { batch: 1, slots: programs.slots });
    for (const [text, ids] of texts.entries()) {
      next.forget();
      for (let length = 1; length < ids.length; length++) {
        const logits = await next.logits([{ ids: ids.slice(0, length), isOpen: true }], lab.signal);
        this.#tops[text]!.push(findMostLikely(logits));
      }
      this.#report(text);
    }
    this.#passes++;
  }

  #report(text: number): void {
    const { length } = this.texts;
    this.lab.progress(this.#passes * length + text + 1, this.passes * length, "texts");
  }

  async read(policyOf: (text: number) => ExitPolicy) {
    const { programs, texts, lab } = this;
    const sums = { loss: 0, right: 0, agreed: 0 };
    const uses: ExitUse[] = [];
    const places: (readonly number[])[] = [];
    for (const [text, ids] of texts.entries()) {
      const sizes = { batch: 1, slots: programs.slots };
      await using next = new ExitNextToken(lab.engine, programs.model, sizes, policyOf(text), programs);
      for (let length = 1; length < ids.length; length++) {
        const logits = await next.logits([{ ids: ids.slice(0, length), isOpen: true }], lab.signal);
        const top = findMostLikely(logits);
        sums.loss += computeLoss(logits, ids[length]!);
        sums.right += Number(top === ids[length]);
        sums.agreed += Number(top === this.#tops[text]![length - 1]);
      }
      uses.push(next.exitUse);
      places.push(next.places);
      this.#report(text);
    }
    this.#passes++;
    const use = uses.reduce(addExitUse);
    const count = texts.length * (programs.slots - 1);
    return {
      loss: sums.loss / count,
      accuracy: sums.right / count,
      agreement: sums.agreed / count,
      ...use,
      shares: computeExitShares(use),
      places,
    };
  }
}

async function compareLayers(
  programs: ApartPrograms,
  texts: readonly (readonly number[])[],
  { signal }: EvaluationLab,
): Promise<LayerQuality[]> {
  const { engine, weights, slots, model } = programs;
  const count = slots - 1;
  const { program } = await programs.get("exits", () => buildExitComparison(model.shape, slots, count));
  const upload = (shape: readonly number[], numbers: readonly number[]) =>
    engine.upload({ dtype: "int32", shape }, Int32Array.from(numbers));
  const sums = new Map<string, number>();
  for (const ids of texts) {
    if (signal.aborted) throw new WorkbenchError("cancelled", "The evaluation was stopped.");
    const fed = {
      tokens: upload([1, slots], ids),
      rows: upload([count], [...ids.keys()].slice(0, -1)),
      labels: upload([count], ids.slice(1)),
    };
    const outputs = await program.run(pickTensors(program.inputs, { ...weights, ...fed }));
    disposeAll(fed);
    for (const [name, tensor] of Object.entries(outputs))
      for (const each of await readNumbers(tensor)) sums.set(name, (sums.get(name) ?? 0) + each);
  }
  const mean = (name: string) => sums.get(name)! / (texts.length * count);
  return [...getExitLayers(model.shape.config), dimensionsOf(model.shape).layers].map((layers) => ({
    layers,
    loss: mean(`loss.${layers}`),
    accuracy: mean(`right.${layers}`),
    agreement: mean(`agreed.${layers}`),
  }));
}

function computeLoss(logits: Float32Array, label: number): number {
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  return top + Math.log(logits.reduce((sum, each) => sum + Math.exp(each - top), 0)) - logits[label]!;
}
