/**
 * Losses against a teacher, which runs in the same graph on the same tokens without dropout or gradients. Each term has
 * one value per token, so it is masked exactly where a label is ignored.
 */
import { WorkbenchError } from "../../protocol/errors";
import { lossNames, type LossName, type LossWeights } from "../../schema/teacher";
import { constant, input, type Value, scalar } from "../graph/op";
import { add, div, equal, exp, log, maximum, mul, sqrt, sub, where } from "../graph/ops/elementwise";
import { gather } from "../graph/ops/indexing";
import { ignoredLabel } from "../graph/composites/losses";
import { crossEntropy } from "../graph/ops/loss";
import { matmul } from "../graph/ops/matmul";
import { concat, reshape, slice } from "../graph/ops/movement";
import { logSoftmax } from "../graph/ops/normalization";
import { mean, sum, sumSquares } from "../graph/ops/reduction";
import type { Dimensions, ForwardOptions, ModelInputs } from "../models/family";
import type { Teacher } from "./trainee";

/** Prefix of the teacher's tensors among the inputs of a step. */
export const teacherName = (parameterName: string) => `teacher:${parameterName}`;

/** Intermediate values of a forward pass. */
export interface Taps {
  /** [tokens, width]: input of the first layer. */
  embedding?: Value;
  /** [tokens, width]: output of each layer. */
  readonly layers: Value[];
  /** [rows, heads, time, time] of each layer. */
  readonly attention: Value[];
}

/** Attention probabilities are compared whole, so attention is not computed in blocks. */
export function createForwardOptions(
  { weights }: Pick<Teacher, "weights">,
  taps: Taps,
  { onLayer, ...options }: ForwardOptions,
): ForwardOptions {
  return {
    ...options,
    onLayer: (from, to) => {
      taps.embedding ??= from;
      taps.layers.push(to);
      onLayer?.(from, to);
    },
    ...(weights.attention === undefined
      ? {}
      : { attentionBlock: undefined, onAttention: (shares: Value) => taps.attention.push(shares) }),
  };
}

/** A subset of the tokens of a batch. */
export interface Part {
  readonly [name: string]: number;
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

/** The teacher's outputs for a subset of the tokens. */
interface TeacherOutput {
  /** [n, width]; undefined if only the teacher's distributions are stored. */
  readonly hidden?: Value;
  /** T² · KL(teacher ‖ student) for student logits [n, vocabulary] → [n]. */
  apart(logits: Value): Value;
}

export interface TeacherPass {
  /** The teacher's intermediate values, if it runs in the step. */
  readonly inside?: Taps & { readonly hidden: Value };
  /** Outputs for `part`, or for all tokens if it is undefined. */
  of(part?: Part): TeacherOutput;
}

/** The teacher's side of a step. */
export function createTeacherPass(
  teacher: Teacher,
  inputs: ModelInputs,
  attentionBlock: number | undefined,
): TeacherPass {
  return teacher.topK === undefined
    ? runTeacher(teacher, inputs, attentionBlock)
    : buildTopKTargets(teacher, teacher.topK, inputs);
}

/** Names of the inputs with the most likely tokens, int32 [rows, length, k], and their probabilities, float32. */
export const topKTokensName = "teacher_tokens";
export const topKSharesName = "teacher_shares";

function buildTopKTargets({ temperature }: Teacher, k: number, { tokens }: ModelInputs): TeacherPass {
  const [rows, length] = tokens.type.shape as [number, number];
  const flat = { shape: [rows * length, k] };
  const topKTokens = reshape(input(topKTokensName, [rows, length, k], "int32"), flat);
  const shares = reshape(input(topKSharesName, [rows, length, k]), flat);
  return {
    of: (part) => {
      const of = (x: Value) => (part === undefined ? x : slice(x, part));
      return { apart: (logits) => computeTopKLoss(logits, of(topKTokens), of(shares), temperature) };
    },
  };
}

/** Like `computeSoftTargetLoss`, for a distribution over only these tokens, int32 [n, k], with their probabilities [n, k]. */
export function computeTopKLoss(logits: Value, tokens: Value, shares: Value, temperature: number): Value {
  const [n, vocabulary] = logits.type.shape as [number, number];
  const softened = logSoftmax(temperature === 1 ? logits : mul(logits, scalar(1 / temperature)));
  const firsts = constant(
    Int32Array.from({ length: n }, (_, i) => i * vocabulary),
    [n, 1],
  );
  const logProbs = gather(reshape(softened, { shape: [n * vocabulary] }), add(tokens, firsts)); // [n, k]
  // A probability of zero contributes nothing; its logarithm only has to be finite.
  const divergence = mul(shares, sub(log(maximum(shares, scalar(1e-20))), logProbs));
  return mul(sum(divergence, reduceLastAxis(divergence)), scalar(temperature ** 2));
}

/** The teacher's forward pass over the tokens. */
function runTeacher(
  teacher: Teacher,
  { dropoutSeed: _, ...inputs }: ModelInputs,
  attentionBlock: number | undefined,
): TeacherPass {
  const { trainee } = teacher;
  const values = new Map(
    trainee.parameters.map(({ name, shape, dtype }) => [name, input(teacherName(name), shape, dtype)]),
  );
  const weight = (name: string) => values.get(name)!;
  const taps: Taps = { layers: [], attention: [] };
  const hidden = trainee.hidden(weight, inputs, createForwardOptions(teacher, taps, { attentionBlock }));
  return {
    inside: { ...taps, hidden },
    of: (part) => {
      const partHidden = part === undefined ? hidden : slice(hidden, part);
      return {
        hidden: partHidden,
        apart: (logits) =>
          computeSoftTargetLoss(logits, trainee.logits(weight, partHidden), teacher.temperature),
      };
    },
  };
}

/** The terms that need only the last hidden states: the columns of `computeHeadTerms`, in this order. */
export function listHeadTerms({ weights }: Pick<Teacher, "weights">): readonly LossName[] {
  return ["clm", ...(["ce", "cos"] as const).filter((name) => weights[name] !== undefined)];
}

/** Terms [n, terms] of n tokens, from their cross-entropy. */
export function computeHeadTerms(
  teacher: Teacher,
  loss: Value,
  labels: Value,
  student: { readonly hidden: Value; readonly logits: Value },
  output: TeacherOutput,
): Value {
  const shape = [loss.type.shape[0]!, 1];
  const columns = listHeadTerms(teacher).map((name) => {
    if (name === "clm") return loss;
    const term =
      name === "ce" ? output.apart(student.logits) : computeCosineDistance(student.hidden, output.hidden!);
    return zeroIgnored(term, labels);
  });
  const [first, ...others] = columns.map((each) => reshape(each, { shape }));
  return concat(first!, ...others, { axis: 1 });
}

/** The terms that compare intermediate values of the models, each [n]. */
export function computeInnerTerms(
  student: Taps & { readonly hidden: Value },
  teacher: Taps & { readonly hidden: Value },
  labels: Value,
  { weights, layers }: Teacher,
  rows: number,
): Partial<Record<LossName, Value>> {
  const overLayers = (
    studentValues: readonly Value[],
    teacherValues: readonly Value[],
    distance: typeof computeSquaredDifference,
  ) =>
    studentValues
      .map((each, i) => zeroIgnored(distance(each, teacherValues[layers[i]!]!), labels))
      .reduce((total, each) => add(total, each));
  const terms: Partial<Record<LossName, Value>> = {};
  if (weights.embedding !== undefined)
    terms.embedding = zeroIgnored(computeSquaredDifference(student.embedding!, teacher.embedding!), labels);
  if (weights.hidden !== undefined)
    terms.hidden = overLayers(student.layers, teacher.layers, computeSquaredDifference);
  if (weights.attention !== undefined)
    terms.attention = overLayers(student.attention, teacher.attention, computeAttentionDivergence);
  if (weights.contrast !== undefined)
    terms.contrast = zeroIgnored(computeTokenContrast(student.hidden, teacher.hidden, rows), labels);
  return terms;
}

/** Sets a term to zero where the label is ignored. */
function zeroIgnored(term: Value, labels: Value): Value {
  return where(equal(labels, constant(Int32Array.of(ignoredLabel), [])), scalar(0), term);
}

const reduceLastAxis = (x: Value) => ({ axes: [x.type.shape.length - 1], keepDims: false });

/** T² · KL(softmax(z_T / T) ‖ softmax(z_S / T)) of each row: [n, vocabulary] of both → [n]. */
export function computeSoftTargetLoss(student: Value, teacher: Value, temperature: number): Value {
  const softened = (logits: Value) =>
    logSoftmax(temperature === 1 ? logits : mul(logits, scalar(1 / temperature)));
  const teacherLogProbs = softened(teacher);
  const divergence = mul(exp(teacherLogProbs), sub(teacherLogProbs, softened(student)));
  return mul(sum(divergence, reduceLastAxis(divergence)), scalar(temperature ** 2));
}

/** 1 − cos of each row: [n, width] of both → [n]. */
export function computeCosineDistance(student: Value, teacher: Value): Value {
  const product = mul(student, teacher);
  const lengths = sqrt(
    mul(sumSquares(student, reduceLastAxis(student)), sumSquares(teacher, reduceLastAxis(teacher))),
  );
  return sub(scalar(1), div(sum(product, reduceLastAxis(product)), maximum(lengths, scalar(1e-12))));
}

/** Mean over the width of the squared difference: [n, width] of both → [n]. */
export function computeSquaredDifference(student: Value, teacher: Value): Value {
  const difference = sub(student, teacher);
  return mul(sumSquares(difference, reduceLastAxis(difference)), scalar(1 / student.type.shape.at(-1)!));
}

/** Factor by which cosines are multiplied to give logits (Tao et al. 2022). */
const contrastTemperature = 0.1;

/**
 * Token-level contrastive loss: −log softmax(cos / 0.1) of the teacher's state of the same token among the teacher's states
 * of all tokens of the sequence; [rows · time, width] of both → [rows · time]. Unlike the published form, it keeps no memory
 * bank of the student's states from earlier epochs.
 */
export function computeTokenContrast(student: Value, teacher: Value, rows: number): Value {
  const [tokens, width] = student.type.shape as [number, number];
  const time = tokens / rows;
  const unit = (x: Value) => {
    const length = sqrt(maximum(sumSquares(x, reduceLastAxis(x)), scalar(1e-12)));
    return reshape(div(x, reshape(length, { shape: [tokens, 1] })), { shape: [rows, time, width] });
  };
  const cosines = matmul(unit(student), unit(teacher), { transposeB: true, scale: 1 / contrastTemperature });
  const place = Int32Array.from({ length: tokens }, (_, i) => i % time);
  return crossEntropy(reshape(cosines, { shape: [tokens, time] }), constant(place, [tokens]));
}

/** KL(teacher ‖ student) of the attention of each query, mean over heads: [rows, heads, time, time] of both → [rows · time]. */
export function computeAttentionDivergence(student: Value, teacher: Value): Value {
  const [rows, , time] = student.type.shape as [number, number, number];
  // A masked weight is zero in both and contributes nothing; its logarithm only has to be finite.
  const logarithm = (x: Value) => log(maximum(x, scalar(1e-20)));
  const divergence = mul(teacher, sub(logarithm(teacher), logarithm(student)));
  const byQuery = mean(sum(divergence, reduceLastAxis(divergence)), { axes: [1], keepDims: false });
  return reshape(byQuery, { shape: [rows * time] });
}

/** The teacher layer for each layer of the model: as configured, or evenly spaced up to the last. */
export function mapTeacherLayers(
  studentCount: number,
  teacherCount: number,
  configured?: readonly number[],
): readonly number[] {
  return (
    configured ??
    Array.from({ length: studentCount }, (_, i) => Math.round(((i + 1) * teacherCount) / studentCount) - 1)
  );
}

/** Refuses a teacher whose outputs the enabled losses cannot compare with the model's. */
export function refuseTeacher(
  student: Dimensions,
  teacher: Dimensions,
  { weights }: LossWeights,
  { layers, topK }: { readonly layers?: readonly number[] | undefined; readonly topK?: number | undefined },
): void {
  const refuse = (what: string) => {
    throw new WorkbenchError("invalid-input", `train.teacher cannot teach this model: ${what}.`);
  };
  if (Object.keys(weights).length === 0) refuse("every loss weight is 0. Set at least one alpha_… above 0");
  if (student.vocabulary !== teacher.vocabulary)
    refuse(
      `its vocabulary has ${teacher.vocabulary} tokens, and the model's has ${student.vocabulary}; distributions over different vocabularies cannot be compared. Use models with the same tokenizer`,
    );
  const inner = lossNames.find((name) => name !== "ce" && name !== "clm" && weights[name] !== undefined);
  if (topK !== undefined && inner !== undefined)
    refuse(
      `top_k stores only the teacher's distribution, but alpha_${inner} needs its intermediate values. Set alpha_${inner} to 0 or remove top_k`,
    );
  if (topK !== undefined && topK > teacher.vocabulary)
    refuse(`top_k is ${topK}, but its vocabulary has only ${teacher.vocabulary} tokens`);
  const byWidth = (["cos", "hidden", "embedding", "contrast"] as const).filter(
    (name) => weights[name] !== undefined,
  );
  if (byWidth.length > 0 && student.width !== teacher.width)
    refuse(
      `its width is ${teacher.width} and the model's is ${student.width}, so alpha_${byWidth[0]!} cannot compare them. Set alpha_${byWidth[0]!} to 0`,
    );
  if (weights.attention !== undefined && student.heads !== teacher.heads)
    refuse(`it has ${teacher.heads} heads, and the model has ${student.heads}. Set alpha_attention to 0`);
  if (layers !== undefined && layers.length !== student.layers)
    refuse(
      `the length of layers is ${layers.length}, but the model has ${student.layers} layers. List one teacher layer for each`,
    );
  const beyond = layers?.find((each) => each >= teacher.layers);
  if (beyond !== undefined)
    refuse(`layers lists layer ${beyond}, but the teacher has ${teacher.layers} layers, counted from 0`);
}
