/** Shared by methods that set single weights to zero: options, targets and masks. */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import type { RepresentationChoices } from "../../models/family";
import { type ModelShape, withRepresentations } from "../../models/model";
import { denseShape, weightName } from "../../representations/dense";
import { maskName, type MaskedOptions } from "../../representations/masked";
import { countNonZeros } from "../../representations/representation";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import type { HostTensor } from "../../checkpoints/safetensors";
import type { CompressedTarget } from "../layerwise";
import { type Plan, planBetween } from "../method";
import { maskCount } from "./maskCount";
import {
  countDropped,
  countShare,
  findPatternFault,
  maskSmallest,
  parsePattern,
  type ComparisonGroup,
} from "./smallest";
import { readFloats, unpackTargets } from "../unpackTargets";
import { selectTargets, type Target, createTargetOptions } from "../targets";

const structure = /^(unstructured|[1-9]\d{0,3}:[1-9]\d{0,3})$/;
type Scope = "layer" | "row" | "global";

/** `scopes` are those in which the method can compare weights; the first is the default. */
export function createPruningOptions(scopes: readonly [Scope, ...Scope[]]) {
  return {
    sparsity: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("Share of weights to set to zero; 0.5 when left out, or the share of `mask_structure`."),
    ...createTargetOptions("all projections"),
    scope: z
      .enum(scopes)
      .optional()
      .describe(
        `Compare weights ${scopes.map((each) => scopeWords[each]).join(", or ")}; the first when left out.`,
      ),
    mask_structure: z
      .string()
      .regex(structure, { error: "must be unstructured, or kept:of, such as 2:4" })
      .default("unstructured")
      .describe(
        "`unstructured`, or how many weights to keep in each group of consecutive inputs, such as `2:4`.",
      ),
  };
}

const scopeWords: Readonly<Record<Scope, string>> = {
  layer: "within a matrix (`layer`)",
  row: "within each output of a matrix (`row`)",
  global: "over all targets (`global`)",
};

export interface PruningOptions {
  readonly sparsity?: number | undefined;
  readonly targets?: string | string[] | undefined;
  readonly ignore?: string | string[] | undefined;
  readonly scope?: Scope | undefined;
  readonly mask_structure: string;
}

/** Throws if a pattern contradicts the other options. */
export function checkPattern(
  { mask_structure, sparsity, scope }: PruningOptions,
  context: { addIssue(issue: { code: "custom"; path: string[]; message: string; input: unknown }): void },
): void {
  const pattern = structure.test(mask_structure) ? parsePattern(mask_structure) : undefined;
  if (pattern === undefined) return;
  const fault = (path: string, message: string) =>
    context.addIssue({ code: "custom", path: [path], message, input: mask_structure });
  const { kept, of } = pattern;
  const patternSparsity = 1 - kept / of;
  if (kept > of) fault("mask_structure", `${mask_structure} would keep more weights than there are`);
  else if (sparsity !== undefined && Math.abs(sparsity - patternSparsity) > 1e-9)
    fault("sparsity", `${mask_structure} is a sparsity of ${patternSparsity}; leave sparsity out`);
  if (scope !== undefined)
    fault("scope", `${mask_structure} compares weights within each group; leave scope out`);
}

export interface Pruning {
  readonly targets: readonly Target[];
  readonly within: ComparisonGroup;
  readonly sparsity: number;
}

/** Resolves the options for this model; throws if they cannot be applied. */
export function decidePruning(
  title: string,
  shape: ModelShape,
  { sparsity, scope, mask_structure, targets: targetPatterns, ignore }: PruningOptions,
  isDefault: Scope,
): Pruning {
  const targets = selectTargets(shape, { targets: targetPatterns, ignore });
  const pattern = parsePattern(mask_structure);
  const faults = targets.flatMap(({ matrix, type }) => {
    if (type !== "dense" && type !== "masked")
      return `${matrix.role} is stored as ${type}, but only dense and masked matrices can be pruned`;
    return (pattern && findPatternFault(matrix, pattern)) ?? [];
  });
  if (faults.length > 0)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: ${faults[0]!}` +
        `${faults.length > 1 ? ` (and so for ${faults.length - 1} more)` : ""}. Leave such roles out with ignore.`,
      { faults },
    );
  const within: ComparisonGroup = pattern ?? scope ?? isDefault;
  return { targets, within, sparsity: pattern ? 1 - pattern.kept / pattern.of : (sparsity ?? 0.5) };
}

export function planPruning(before: ModelShape, { targets, within, sparsity }: Pruning): Plan {
  const sizes = targets.map(({ matrix }) => matrix.inputs * matrix.outputs);
  const keptCounts = targets.map((target, i) =>
    Math.min(countKept(target), sizes[i]! - countDropped(target.matrix, within, sparsity)),
  );
  // Over the whole model only the sum is known; the first matrices with room take the remainder of each share.
  if (within === "global") {
    const all = sizes.reduce((total, each) => total + each, 0);
    const currentCount = targets.reduce((total, each) => total + countKept(each), 0);
    let excess =
      keptCounts.reduce((total, each) => total + each, 0) -
      Math.min(currentCount, all - countShare(all, sparsity));
    keptCounts.forEach((each, i) => {
      const change = excess > 0 ? -Math.min(excess, each) : Math.min(-excess, countKept(targets[i]!) - each);
      keptCounts[i] = each + change;
      excess += change;
    });
  }
  const isPrunedAlready = targets.some(({ type }) => type === "masked");
  const exact = within === "global" ? "total" : within === "layer" || !isPrunedAlready ? "roles" : "most";
  return planBetween(before, createMaskedShape(before, targets, keptCounts), exact);
}

/** Returns the existing mask of a target, if any: dropped weights stay dropped. */
export function readMask(
  tensors: ReadonlyMap<string, HostTensor>,
  { matrix, type }: Target,
): Uint8Array | undefined {
  return type === "masked" ? (tensors.get(maskName(matrix))!.data as Uint8Array) : undefined;
}

/** Returns the weights with those outside the mask set to zero, and the mask; both in the order of the stored tensor. */
export function maskWeights(target: Target, weights: Float32Array, mask: Uint8Array): CompressedTarget {
  const shape = denseShape(target.matrix);
  const data = new Float32Array(weights.length);
  for (let i = 0; i < data.length; i++) if (mask[i] === 1) data[i] = weights[i]!;
  return {
    type: "masked",
    options: { kept: countNonZeros(mask) },
    tensors: [
      [weightName(target.matrix), { shape, data }],
      [maskName(target.matrix), { shape, data: mask }],
    ],
  };
}

/** Scores the weights of a target, in the order of its stored tensor. */
export type Score = (target: Target, tensors: ReadonlyMap<string, HostTensor>) => Float32Array;

/**
 * Drops the weights with the lowest scores; weights that were dropped before stay dropped. `dropped` is the number of each
 * target, if targets differ in their sparsity.
 */
export function pruneByScore(
  before: Checkpoint,
  { targets, within, sparsity }: Pruning,
  score: Score,
  dropped?: readonly number[],
): Checkpoint {
  const tensors = unpackTargets(before, targets);
  const scored = targets.map((target) => ({
    matrix: target.matrix,
    scores: score(target, tensors),
    mask: readMask(tensors, target),
  }));
  const masks =
    dropped !== undefined && (within === "row" || within === "layer")
      ? scored.map((each, i) => maskCount(each, within, dropped[i]!))
      : maskSmallest(scored, within, sparsity);
  return applyMasks(before, tensors, targets, masks);
}

export const scoreByMagnitude: Score = ({ matrix }, tensors) =>
  readFloats(tensors, weightName(matrix)).map(Math.abs);

/** A model whose targets have these masks, given tensors that are taken apart already. */
function applyMasks(
  { shape }: Pick<Checkpoint, "shape">,
  unpacked: ReadonlyMap<string, HostTensor>,
  targets: readonly Target[],
  masks: readonly Uint8Array[],
): Checkpoint {
  const tensors = new Map(unpacked);
  const keptCounts = targets.map((target, i) => {
    const compressed = maskWeights(target, readFloats(tensors, weightName(target.matrix)), masks[i]!);
    for (const [name, tensor] of compressed.tensors) tensors.set(name, tensor);
    return countNonZeros(masks[i]!);
  });
  return { shape: createMaskedShape(shape, targets, keptCounts), tensors };
}

/** Returns the number of weights that a target stores now. */
export function countKept({ matrix, type, options }: Target): number {
  const kept = type === "masked" ? (options as MaskedOptions).kept : undefined;
  return kept ?? matrix.inputs * matrix.outputs;
}

export function createMaskedShape(
  before: ModelShape,
  targets: readonly Target[],
  keptCounts: readonly number[],
): ModelShape {
  const choices: RepresentationChoices = Object.fromEntries(
    targets.map(({ matrix }, i) => [matrix.role, { type: "masked", options: { kept: keptCounts[i] } }]),
  );
  return withRepresentations(before, choices);
}
