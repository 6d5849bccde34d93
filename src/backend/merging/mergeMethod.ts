/**
 * A merge makes one model of several that share an architecture, tensor by tensor. Each method is one file. A merge changes
 * values, not sizes: it makes nothing smaller.
 */
import * as z from "zod";
import { listValues, settingSchema, type TensorPlace } from "./setting";

/** Where a method is at. */
export interface MergePlace extends TensorPlace {
  /** The seed of the run. */
  readonly seed: number;
}

export interface MergeMethod<O> {
  readonly title: string;
  /** The publication. */
  readonly paper?: string;
  readonly options: z.ZodType<O>;
  /** Options for contract tests; `other` is the name of a model that is merged with the current one. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** The models that are merged with the current one, in order. */
  models(options: O): readonly string[];
  /**
   * The merged values of one tensor. `current` are those of the current model, `others` those of `models`, all of the same size.
   * Throws `invalid-input` where the options have no value for this tensor.
   */
  readonly merge: (
    current: Float32Array,
    others: readonly Float32Array[],
    options: O,
    place: MergePlace,
  ) => Float32Array;
}

// The catalog holds methods with any options; each parses its own before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyMergeMethod = MergeMethod<any>;

export function defineMergeMethod<O>(method: MergeMethod<O>): MergeMethod<O> {
  return method;
}

/** The name of a model, as for `base_model`. */
export const modelNameSchema = z
  .string()
  .min(1)
  .describe("A trained model of the same architecture, named as for `base_model`.");

/** A setting whose every number is from `least` to `most`. */
export function createBoundedSetting(least: number, most: number) {
  return settingSchema.refine(
    (setting) => listValues(setting).every((value) => value >= least && value <= most),
    {
      error: `has to be from ${least} to ${most}`,
    },
  );
}
