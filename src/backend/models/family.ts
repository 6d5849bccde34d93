/** What a family of models is: a configuration, the tensors it needs, and a forward function over roles. One file a family. */
import type { z } from "zod";
import type { Value } from "../graph/op";
import type { FileOperators, MatrixSpec, ParameterSpec } from "../representations/representation";

/** A configuration whose `vocab_size` is known, be it written or taken from the tokenizer. */
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
  /** Keys and values of earlier tokens, which the new ones attend to; needs `positions`. */
  readonly cache?: Cache;
  /** int32 scalar that changes every step; there is no dropout without it. */
  readonly dropoutSeed?: Value;
}

/** Where the keys and values of all tokens are kept from run to run, a slot for each position. */
export interface Cache {
  readonly slots: number;
  /** Takes those of a layer's new tokens [batch, kvHeads, time, headDim], gives those of all slots. */
  extend(layer: number, keys: Value, values: Value): readonly [Value, Value];
}

export interface ForwardOptions {
  /** Called with each decoder layer's input and output; what is between depends on the rest through the input alone. */
  readonly onLayer?: (input: Value, output: Value) => void;
  /** How many queries of a sequence attend at a time, so that scores are [heads, queries, time]; all when left out. */
  readonly attentionBlock?: number | undefined;
  /** Called with the queries, keys and values that a block of attention works on, and with its output. */
  readonly onAttentionBlock?: (inputs: readonly Value[], output: Value) => void;
  /** Called with the attention weights of each layer, [batch, heads, time, time]; only where all queries attend at once. */
  readonly onAttention?: (weights: Value) => void;
  /** Called with the role, input and output of each matrix as it is applied: what calibration observes. */
  readonly onMatrix?: (role: string, x: Value, y: Value) => void;
  /** Nothing is trained: matrices are applied as `inferenceParameters` lists them for whatever runs the model. */
  readonly inference?: "engine" | FileOperators;
  /** int32 [n]: the rows of [batch · time] that are wanted; all of them when left out. */
  readonly rows?: Value;
}

/** The tensors of a model as its forward function sees them: by role, whatever representation the role has. */
export interface Weights {
  /** y = x·W + b: [rows, inputs] → [rows, outputs]. */
  linear(role: string, x: Value): Value;
  /** The same for a packed matrix, each part on its own: [rows, inputs] → a [rows, part] for each part. */
  parts(role: string, x: Value): readonly Value[];
  /** Rows of an embedding: int32 [n] → [n, outputs]. */
  lookup(role: string, ids: Value): Value;
  /** The whole embedding [inputs, outputs]. */
  table(role: string): Value;
  /** A tensor that is no matrix, by name. */
  tensor(name: string): Value;
}

export interface RepresentationChoice {
  /** A name of the catalog of representations. */
  readonly type: string;
  readonly options: Readonly<Record<string, unknown>>;
}
/** The representation of each role that is not dense. */
export type RepresentationChoices = Readonly<Record<string, RepresentationChoice>>;

/** Sizes that others plan by: data, memory, speed. */
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
  readonly intermediate: string;
  /** Left out where the heads and their width always make the width of the model, so that no head can be missing. */
  readonly heads?: { readonly heads: string; readonly kvHeads: string; readonly headDim: string };
  /** transformers refuses a configuration whose heads do not divide the width, whatever the width of a head. */
  readonly headsDivideWidth?: boolean;
}

/** What a language model learns: the token that follows, or tokens that are hidden in the middle of a text. */
export type LanguageTask = "causal-lm" | "masked-lm";

/** What reads the hidden states. */
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
  /** Pairs of a name that files may carry and the tensor that stands for it: a tied head. */
  readonly tied: (config: Complete<C>) => readonly (readonly [alias: string, name: string])[];
}

export interface ClassHead<C> extends Head<C> {
  /** Which token of a text has its class. */
  readonly reads: "first" | "last";
  readonly matrices: (config: Complete<C>, classes: number) => readonly MatrixSpec[];
}

export interface Family<C> {
  readonly title: string;
  /** Keys of `config.json`, with the defaults that Hugging Face gives them. */
  readonly config: z.ZodType<C>;
  /** The smallest configuration worth testing. */
  readonly tiny: Readonly<Record<string, unknown>>;
  /** The keys of the configuration that hold the longest sequence and the number of layers. */
  readonly keys: { readonly context: string; readonly layers: string };
  /** Which tokens a token attends to: itself and those before it, or all of its text. */
  readonly mask: Mask;
  readonly dimensions: (config: Complete<C>) => Dimensions;
  /** Everything below the head, in the order in which a text goes through it. */
  readonly matrices: (config: Complete<C>) => readonly MatrixSpec[];
  /** Norms: tensors that are not matrices. Biases of matrices follow from the matrices. */
  readonly tensors: (config: Complete<C>) => readonly ParameterSpec[];
  /** Representations that the configuration itself asks for. */
  readonly representations?: (config: Complete<C>) => RepresentationChoices;
  /** Other names of keys in `config.json`, as transformers' `attribute_map` has them. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** The keys that size the axes of a layer which structured pruning cuts. */
  readonly sizeKeys: SizeKeys;
  /** What Hugging Face puts before the names of everything but the head: `model`. Some files leave it out. */
  readonly prefix: string;
  /** The name that a tensor has in old files. */
  readonly oldNames?: (name: string) => string;
  /** Tensors of published files that belong to another head or follow from the configuration. */
  readonly unread?: RegExp;
  /** What else changes in the configuration when these layers are kept: settings of single layers. */
  readonly keepLayers?: (config: Complete<C>, kept: readonly number[]) => Partial<C>;
  /** What the names of a layer's tensors begin with. */
  readonly layerName: (layer: number) => string;
  /** What the head reads: [batch · time, width], or [rows, width] where rows are asked for. */
  readonly hidden: (
    config: Complete<C>,
    weights: Weights,
    inputs: ModelInputs,
    options: ForwardOptions,
  ) => Value;
  readonly heads: { readonly language: LanguageHead<C>; readonly classes: ClassHead<C> };
}

export type Mask = "causal" | "bidirectional";

// A catalog holds families of any configuration; each is only given what its own schema has passed.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyFamily = Family<any>;

export function defineModel<C>(family: Family<C>): Family<C> {
  return family;
}
