/** Helpers to define the tensors of a family: axes, matrices along them, norms, heads. */
import { addBias, matmul } from "../graph/ops/matmul";
import type {
  Axis,
  Init,
  MatrixPart,
  MatrixSpec,
  ParameterSpec,
  Purpose,
} from "../representations/representation";
import type { Value } from "../graph/op";
import type { ClassHead, Complete, LanguageHead } from "./family";

export const vocabularyAxis = (tokens: number): Axis => ({ kind: "vocabulary", units: tokens, unit: 1 });
export const positionsAxis = (positions: number): Axis => ({ kind: "positions", units: positions, unit: 1 });
export const hiddenAxis = (width: number): Axis => ({ kind: "hidden", units: width, unit: 1 });
export const channelsAxis = (layer: number, channels: number): Axis => ({
  kind: "channels",
  layer,
  units: channels,
  unit: 1,
});

/** Returns the output axes of the query matrix and of the key and value matrices; a unit is a key-value head with its queries. */
export function createHeadAxes(
  layer: number,
  { heads, kvHeads, headDim }: { heads: number; kvHeads: number; headDim: number },
): { readonly queries: Axis; readonly keys: Axis } {
  const keys: Axis = { kind: "heads", layer, units: kvHeads, unit: headDim };
  return { queries: { ...keys, unit: (heads / kvHeads) * headDim }, keys };
}

export const sizeOfAxis = ({ units, unit }: Axis): number => units * unit;

interface MatrixDefinition extends Pick<MatrixSpec, "layout" | "init" | "axes"> {
  readonly bias?: boolean;
  readonly biasKey?: string;
  readonly kind?: MatrixSpec["kind"];
}

/** Creates a matrix whose sizes and layer follow from its axes. */
export function defineMatrix(
  role: string,
  purpose: Purpose,
  name: string,
  definition: MatrixDefinition,
): MatrixSpec {
  const [input, output] = definition.axes;
  return {
    kind: "projection",
    bias: false,
    ...definition,
    role,
    purpose,
    name,
    layer: input.layer ?? output.layer,
    inputs: sizeOfAxis(input),
    outputs: sizeOfAxis(output),
  };
}

export function defineEmbedding(
  role: string,
  purpose: Purpose,
  name: string,
  axes: readonly [Axis, Axis],
  init: Init,
): MatrixSpec {
  return defineMatrix(role, purpose, name, { layout: "in_out", kind: "embedding", axes, init });
}

/** Packs several matrices with the same input side by side; `parts` lists role, purpose and output axis of each, in order. */
export function definePackedMatrix(
  role: string,
  name: string,
  { input, ...definition }: Omit<MatrixDefinition, "axes"> & { readonly input: Axis },
  parts: readonly (readonly [role: string, purpose: Purpose, axis: Axis])[],
): MatrixSpec {
  let to = 0;
  const matrixParts = parts.map(([part, purpose, axis]): MatrixPart => ({
    role: part,
    purpose,
    axis,
    from: to,
    to: (to += sizeOfAxis(axis)),
  }));
  const layer = parts[0]![2].layer;
  const whole: Axis = { kind: "packed", ...(layer === undefined ? {} : { layer }), units: to, unit: 1 };
  return {
    ...defineMatrix(role, "packed", name, { ...definition, axes: [input, whole] }),
    parts: matrixParts,
  };
}

/** Creates a norm's weight, which starts at one, or its bias, which starts at zero. */
export function defineNorm(
  role: string,
  name: string,
  width: number,
  init: Init["kind"] & ("ones" | "zeros"),
  layer?: number,
): ParameterSpec {
  return {
    name,
    shape: [width],
    dtype: "float32",
    init: { kind: init },
    trainable: true,
    decay: false,
    role,
    layer,
    embedding: false,
    axes: [hiddenAxis(width)],
  };
}

/** Creates the weight and bias of a layer norm. */
export function defineLayerNorm(role: string, name: string, width: number, layer?: number): ParameterSpec[] {
  return [
    defineNorm(role, `${name}.weight`, width, "ones", layer),
    defineNorm(role, `${name}.bias`, width, "zeros", layer),
  ];
}

interface Tieable {
  readonly tie_word_embeddings: boolean;
  readonly initializer_range?: number;
}

interface CausalHeadOptions<C> {
  /** Returns the standard deviation of initial weights; `initializer_range` when left out. */
  readonly stdOf?: (config: C) => number;
  /** Whether the head has a bias, tied or not. */
  readonly bias?: boolean;
  /** What becomes of the logits. */
  readonly finish?: (config: C, logits: Value) => Value;
}

/** `lm_head` over the vocabulary, or the token embedding if the two are tied. */
export function createCausalHead<C extends Tieable>(
  architecture: string,
  embeddingName: string,
  widthOf: (config: C) => number,
  { stdOf = readStd, bias = false, finish = (_, logits) => logits }: CausalHeadOptions<Complete<C>> = {},
): LanguageHead<C> {
  const biasName = "lm_head.bias";
  return {
    architecture,
    task: "causal-lm",
    // The bias of a head of its own is declared with its matrix.
    tensors: (config) =>
      config.tie_word_embeddings && bias
        ? [
            {
              ...defineNorm("lm_head", biasName, config.vocab_size, "zeros"),
              embedding: true,
              axes: [vocabularyAxis(config.vocab_size)],
            },
          ]
        : [],
    matrices: (config) =>
      config.tie_word_embeddings
        ? []
        : [
            defineMatrix("lm_head", "head", "lm_head", {
              layout: "out_in",
              kind: "head",
              bias,
              init: normal(stdOf(config)),
              axes: [hiddenAxis(widthOf(config)), vocabularyAxis(config.vocab_size)],
            }),
          ],
    tied: (config) => (config.tie_word_embeddings ? [["lm_head.weight", `${embeddingName}.weight`]] : []),
    apply: (config, weights, hidden) => {
      if (!config.tie_word_embeddings) return finish(config, weights.linear("lm_head", hidden));
      const logits = matmul(hidden, weights.table("embed_tokens"), { transposeB: true });
      return finish(config, bias ? addBias(logits, weights.tensor(biasName)) : logits);
    },
  };
}

/** `score` without a bias, applied to the last token of a text, as in Hugging Face's decoders for sequence classification. */
export function createLastTokenHead<C extends Tieable>(
  architecture: string,
  widthOf: (config: Complete<C>) => number,
  stdOf: (config: Complete<C>) => number = readStd,
): ClassHead<C> {
  return {
    architecture,
    reads: "last",
    matrices: (config, classes) => [
      defineMatrix("score", "head", "score", {
        layout: "out_in",
        kind: "head",
        init: normal(stdOf(config)),
        axes: [hiddenAxis(widthOf(config)), { kind: "classes", units: classes, unit: 1 }],
      }),
    ],
    apply: (_, weights, hidden) => weights.linear("score", hidden),
  };
}

const readStd = ({ initializer_range: std }: { readonly initializer_range?: number }): number => {
  if (std === undefined) throw new Error("The family has another key for the standard deviation of weights.");
  return std;
};

export const normal = (std: number): Init => ({ kind: "normal", std });

/** 0, 1, …, count - 1. */
export function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}
