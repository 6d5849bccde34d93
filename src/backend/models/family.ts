/** Defines a family of models: a configuration, its tensors, and a forward function over roles. Each family is one file. */
import type { z } from "zod";
import type { Value } from "../graph/op";
import type { FileOperators, MatrixSpec, OnMatrix, ParameterSpec } from "../representations/representation";

/** A configuration whose `vocab_size` is known, either written or filled in from the tokenizer. */
export type Complete<C> = C & { readonly vocab_size: number };

export interface ModelInputs {
  /** int32 [batch, time] */
  readonly tokens: Value;
  /** int32 [batch, time]; 0, 1, 2, … in every row when left out. */
  readonly positions?: Value;
  /** int32 [batch, time]: tokens attend to earlier ones with the same non-zero number; 0 is padding. One document a row when left out. */
  readonly segments?: Value;
  /** int32 [batch, time]: token types of encoders, 0 when left out; other families have none and do not read it. */
  readonly types?: Value;
  /** Keys and values of earlier tokens, to which the new ones attend; requires `positions`. */
  readonly cache?: Cache;
  /** int32 scalar that changes every step; without it there is no dropout. */
  readonly dropoutSeed?: Value;
}

/** Keeps keys and values of earlier tokens between runs. */
export interface Cache {
  /** Number of positions of a text. */
  readonly slots: number;
  /**
   * int32 [batch, slots]: 0 in slots of padding. Present if the new tokens have the last slots, in order; otherwise the slot
   * of a token is its position.
   */
  readonly kept?: Value;
  /** Whether slots are not positions, so that masks by position do not apply. */
  readonly isCompact?: boolean;
  /** Stores the keys and values of a layer's new tokens; returns the outputs of their queries, [batch, heads, time, headDim]. */
  attend(layer: number, call: AttentionCall): Value;
}

/** One attention of queries to keys and values, all of them rotated. */
export interface AttentionCall {
  /** [batch, heads, rows, headDim] */
  readonly queries: Value;
  /** [batch, kvHeads, keys, headDim] */
  readonly keys: Value;
  readonly values: Value;
  /** Added to the scores, broadcast to [batch, heads, rows, keys]; 0 where a query may attend. */
  readonly bias?: Value | undefined;
  /** Whether a query attends only to keys up to its own position; the last query has the position of the last key. */
  readonly causal: boolean;
  /** Factor of the scores. */
  readonly scale: number;
  /** The bound of the scores: they become cap · tanh(score / cap). */
  readonly cap?: number | null | undefined;
}

/** Consecutive layers of a model, which can be computed apart from the others. */
export interface Section {
  /** The input of the first of them [batch · time, width]; computed from the tokens when left out. */
  readonly state?: Value;
  /** Number of the first layer. */
  readonly from: number;
  /** Number of the first layer that no longer belongs to it; all others and the last norm do when left out. */
  readonly to?: number;
}

export interface ForwardOptions {
  /** Computes only these layers. The result is the output of the last one, or the input of the head without `to`. */
  readonly section?: Section;
  /** Called with each decoder layer's input and output; values between them depend on the rest only through the input. */
  readonly onLayer?: (input: Value, output: Value) => void;
  /** Number of queries of a sequence per block, so that scores are [heads, queries, time]; all when left out. */
  readonly attentionBlock?: number | undefined;
  /** Called with the queries, keys and values of each attention block, and with its output. */
  readonly onAttentionBlock?: (inputs: readonly Value[], output: Value) => void;
  /** Called with the attention weights of each layer, [batch, heads, time, time]; only if all queries are in one block. */
  readonly onAttention?: (weights: Value) => void;
  /** Called with the role, input and output of each applied matrix; used by calibration. */
  readonly onMatrix?: OnMatrix;
  /** The same for each piece of an applied matrix that stores smaller ones; every piece is then applied on its own. */
  readonly onPiece?: OnMatrix;
  /** Inference only: matrices are applied in the form that `listInferenceParameters` lists for this runtime. */
  readonly inference?: "engine" | FileOperators;
  /** int32 [n]: the rows of [batch · time] to compute; all when left out. */
  readonly rows?: Value;
}

/** The tensors of a model by role, as its forward function uses them, independent of their representation. */
export interface Weights {
  /** y = x·W + b: [rows, inputs] → [rows, outputs]. */
  linear(role: string, x: Value): Value;
  /** The same for each part of a packed matrix: [rows, inputs] → one [rows, part] per part. */
  parts(role: string, x: Value): readonly Value[];
  /** Rows of an embedding: int32 [n] → [n, outputs]. */
  lookup(role: string, ids: Value): Value;
  /** The whole embedding [inputs, outputs]. */
  table(role: string): Value;
  /** A tensor that is not a matrix, by name. */
  tensor(name: string): Value;
}

export interface RepresentationChoice {
  /** A name in the catalog of representations. */
  readonly type: string;
  readonly options: Readonly<Record<string, unknown>>;
}
/** The representation of each role that is not dense. */
export type RepresentationChoices = Readonly<Record<string, RepresentationChoice>>;

/** Sizes that determine data, memory and speed. */
export interface Dimensions {
  readonly vocabulary: number;
  readonly context: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Keys of a configuration that hold the size of an axis of every layer. */
export interface SizeKeys {
  /** The width of the residual stream. */
  readonly width: string;
  readonly intermediate: string;
  /** Left out if heads · head width is always the width of the model, so that heads cannot be removed. */
  readonly heads?: { readonly heads: string; readonly kvHeads: string; readonly headDim: string };
  /** The key of the number of heads, where the width is always that number times the width of a head. */
  readonly coupledHeads?: string;
  /** Whether transformers rejects a configuration whose heads do not divide the width, regardless of the head width. */
  readonly headsDivideWidth?: boolean;
  /** What else depends on the width, so that channels of the residual stream cannot be removed. */
  readonly fixedWidth?: string;
}

/** The objective of a language model: to predict the next token, or masked tokens. */
export type LanguageTask = "causal-lm" | "masked-lm";

/** The head over the hidden states. */
interface Head<C> {
  /** The class of transformers that has this head. */
  readonly architecture: string;
  /** Tensors that are not matrices. */
  readonly tensors?: (config: Complete<C>) => readonly ParameterSpec[];
  /** [rows, width] → logits [rows, vocabulary], or [rows, classes]. */
  readonly apply: (config: Complete<C>, weights: Weights, hidden: Value) => Value;
}

export interface LanguageHead<C> extends Head<C> {
  readonly task: LanguageTask;
  readonly matrices: (config: Complete<C>) => readonly MatrixSpec[];
  /** Pairs of a name that files may contain and the tensor to use instead: a tied head. */
  readonly tied: (config: Complete<C>) => readonly (readonly [alias: string, name: string])[];
}

export interface ClassHead<C> extends Head<C> {
  /** The token whose hidden state predicts the class of a text. */
  readonly reads: "first" | "last";
  readonly matrices: (config: Complete<C>, classes: number) => readonly MatrixSpec[];
}

/**
 * What computes the inputs of some matrices, where a factor for each input can be moved exactly: a norm, or a matrix whose
 * outputs reach them only through sums and products that such factors pass.
 */
export interface InputSource {
  /** Roles of all matrices that read these inputs; nothing else does. */
  readonly readers: readonly string[];
  readonly norm?: { readonly kind: "rms" | "layer"; readonly weight: string; readonly bias?: string };
  /** The role of a matrix or of a part of a packed one. Each of its units of `unit` outputs is read `copies` times in a row. */
  readonly producer?: { readonly role: string; readonly unit: number; readonly copies: number };
}

export interface Family<C> {
  readonly title: string;
  /** Keys of `config.json`, with the defaults that Hugging Face gives them. */
  readonly config: z.ZodType<C>;
  /** The smallest configuration worth testing. */
  readonly tiny: Readonly<Record<string, unknown>>;
  /** The keys of the configuration that hold the longest sequence and the number of layers. */
  readonly keys: { readonly context: string; readonly layers: string };
  /** Which tokens a token attends to: itself and earlier ones, or all of its text. */
  readonly mask: Mask;
  /** Whether positions count only tokens that are not padding, in an encoder. */
  readonly skipsPadding?: boolean;
  readonly dimensions: (config: Complete<C>) => Dimensions;
  /** All matrices below the head, in forward order. */
  readonly matrices: (config: Complete<C>) => readonly MatrixSpec[];
  /** Norms: tensors that are not matrices. Biases of matrices are declared with the matrices. */
  readonly tensors: (config: Complete<C>) => readonly ParameterSpec[];
  /** Representations that the configuration requires. */
  readonly representations?: (config: Complete<C>) => RepresentationChoices;
  /** Aliases of keys in `config.json`, as in transformers' `attribute_map`. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Keys whose numbers transformers accepts only with a decimal point. */
  readonly floatKeys?: readonly string[];
  /** The keys for the sizes that structured pruning reduces. */
  readonly sizeKeys: SizeKeys;
  /** Hugging Face's prefix of all names except the head's: `model`. Some files omit it. */
  readonly prefix: string;
  /** Returns the length beyond which a text cannot grow token by token, because earlier tokens would change; any if undefined. */
  readonly longestGrowth?: (config: Complete<C>) => number | undefined;
  /** Returns the row in files of transformers of each row of a tensor, if files have another order of rows. */
  readonly fileRows?: (config: Complete<C>, tensor: string) => Int32Array | undefined;
  /** Returns the name of a tensor in old files. */
  readonly oldNames?: (name: string) => string;
  /** Matches tensors of published files that belong to another head or follow from the configuration. */
  readonly unread?: RegExp;
  /** Returns other changes of the configuration when only these layers are kept: per-layer settings. */
  readonly keepLayers?: (config: Complete<C>, layers: readonly number[]) => Partial<C>;
  /** Returns the prefix of the names of a layer's tensors. */
  readonly layerName: (layer: number) => string;
  /** Computes the input of the head: [batch · time, width], or [rows, width] if `options.rows` is set. */
  readonly hidden: (
    config: Complete<C>,
    weights: Weights,
    inputs: ModelInputs,
    options: ForwardOptions,
  ) => Value;
  /**
   * In forward order. The readers of the last norm are those of the head, which are not listed. A norm that is part of the
   * residual stream is not a source, since the stream would be scaled too.
   */
  readonly inputSources: (config: Complete<C>) => readonly InputSource[];
  readonly heads: { readonly language: LanguageHead<C>; readonly classes: ClassHead<C> };
}

export type Mask = "causal" | "bidirectional";

// A catalog holds families with any configuration; each receives only what its own schema has parsed.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyFamily = Family<any>;

export function defineModel<C>(family: Family<C>): Family<C> {
  return family;
}
