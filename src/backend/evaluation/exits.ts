/** What each exit of a model knows, and what leaving at a threshold saves and costs. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { requireNextToken } from "../models/classifier";
import { getExitLayers } from "../models/exits";
import { dimensionsOf } from "../models/model";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { ApartPrograms, readNumbers } from "./apartTexts";
import { buildExitComparison } from "./exitGraphs";
import { ExitNextToken } from "./exitNextToken";
import { addExitUse, computeExitShares, type ExitUse } from "./exitUse";
import { defineMetric, type EvaluationLab, getSplit, getTokenizer, type Subject } from "./metric";
import { findMostLikely } from "./sampling";

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
    .array(z.number().positive())
    .default([0.5, 0.8, 0.9, 0.95])
    .describe("Thresholds of the confidence at which tokens leave."),
  confidence: z
    .enum(["probability", "classifier"])
    .default("probability")
    .describe("What a threshold is compared with, as in `inference.exits`."),
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
  samples: [{ context: 6, max_tokens: 18, thresholds: [0.3, 2] }],
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
        ...details.layers.map((each) => toValues(each, `layer_${each.layers}`)),
        ...details.thresholds.map((each) => ({
          ...toValues(each, `at_${each.threshold}`),
          [`exits/flops_saved_at_${each.threshold}`]: 1 - each.flops / each.fullFlops,
          [`exits/layers_at_${each.threshold}`]: each.layers.reduce(
            (sum, layer, i) => sum + layer * each.shares[i]!,
            0,
          ),
        })),
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
        `${subject.data!.title}, ${options.split} split, ${details.texts} texts, ${details.scored_tokens} tokens scored, confidence by ${details.confidence}`,
      ],
      details,
    };
  },
});

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const formatQuality = ({ loss, accuracy, agreement }: Quality): string =>
  `loss ${loss.toFixed(4)} nats/token, ${percent(accuracy)} right, ${percent(agreement)} as the whole model`;

const toValues = ({ loss, accuracy, agreement }: Quality, where: string) => ({
  [`exits/loss_${where}`]: loss,
  [`exits/accuracy_${where}`]: accuracy,
  [`exits/agreement_${where}`]: agreement,
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
  const runs = options.thresholds.length + 1;
  const layers = await compareLayers(programs, texts, lab);
  // Most likely tokens of the whole model, which runs as one whose tokens never leave.
  const tops = new Map<string, number>();
  const measureAt = async (threshold: number, run: number) => {
    const sums = { loss: 0, right: 0, agreed: 0 };
    const uses: ExitUse[] = [];
    for (const [text, ids] of texts.entries()) {
      await using next = new ExitNextToken(
        lab.engine,
        subject,
        { batch: 1, slots: context },
        { threshold, confidence: options.confidence },
        programs,
      );
      for (let length = 1; length < context; length++) {
        const logits = await next.logits([{ ids: ids.slice(0, length), isOpen: true }], lab.signal);
        const top = findMostLikely(logits);
        const place = `${text} ${length}`;
        if (run === 0) tops.set(place, top);
        sums.loss += computeLoss(logits, ids[length]!);
        sums.right += Number(top === ids[length]);
        sums.agreed += Number(top === tops.get(place));
      }
      uses.push(next.exitUse);
      lab.progress(run * texts.length + text + 1, runs * texts.length, "texts");
    }
    const use = uses.reduce(addExitUse);
    const count = texts.length * (context - 1);
    return {
      threshold,
      loss: sums.loss / count,
      accuracy: sums.right / count,
      agreement: sums.agreed / count,
      ...use,
      shares: computeExitShares(use),
    };
  };
  await measureAt(Infinity, 0);
  const thresholds: ThresholdQuality[] = [];
  for (const [i, threshold] of options.thresholds.entries())
    thresholds.push(await measureAt(threshold, i + 1));
  const scored = texts.length * (context - 1);
  return { confidence: options.confidence, layers, thresholds, texts: texts.length, scored_tokens: scored };
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
