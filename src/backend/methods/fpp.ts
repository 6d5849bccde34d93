/**
 * Forward propagation pruning (Belhaouari and Kraidia, Scientific Reports 15:10171, 2025, equation 20 and algorithm 2): sets
 * a few positive and a few negative weights per iteration permanently to zero, layer by layer, with training in between.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { biasRole } from "../models/biases";
import type { RepresentationChoices } from "../models/family";
import { hasAxis } from "../models/coupling";
import { listMatrixSlots, type ModelShape, withRepresentations } from "../models/model";
import { layerRole } from "../models/roles";
import { denseShape, weightName } from "../representations/dense";
import { maskName } from "../representations/masked";
import { countNonZeros } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { selectDenseTargets } from "../compression/denseTargets";
import { defineMethod, type Lab, planBetween } from "../compression/method";
import { countSigns, selectDrops } from "../compression/pruning/signedDrops";
import { countShare, refuseNaN } from "../compression/pruning/smallest";
import { readFloats, unpackTargets } from "../compression/unpackTargets";
import { type Target, createTargetOptions, type MatrixFilter } from "../compression/targets";
import { trainingSchema } from "../compression/training";

const title = "Forward propagation pruning";
const part = z.number().min(0).max(1).default(0.05);

const optionsSchema = z.strictObject({
  sparsity: z.number().min(0).max(1).default(0.7).describe("Final share of zero weights."),
  positive: part.describe("Share of the positive weights to remove per iteration."),
  negative: part.describe("Share of the negative weights to remove per iteration."),
  select: z
    .enum(["smallest", "largest"])
    .default("smallest")
    .describe(
      "Weights to remove: those nearest to zero, as in the paper's figures, or the farthest from it, as in its algorithm.",
    ),
  base: z
    .enum(["remaining", "original"])
    .default("remaining")
    .describe("Whether shares refer to the remaining or to the original weights."),
  group: z
    .enum(["layer", "matrix"])
    .default("layer")
    .describe("Compare the weights and biases of a whole layer, or of each matrix."),
  biases: z
    .boolean()
    .default(true)
    .describe("Whether to prune biases together with the weights of their matrix."),
  rounding: z
    .enum(["removed", "kept"])
    .default("removed")
    .describe("Which count is rounded down if the share is not a whole number of weights."),
  max_iterations: z.int().min(1).default(100).describe("Maximum number of iterations per layer."),
  train: trainingSchema,
  tolerance: z
    .number()
    .min(0)
    .optional()
    .describe(
      "Maximum increase in the validation loss per layer. An iteration that exceeds it is reverted and ends the layer.",
    ),
  ...createTargetOptions("the token embedding and all feed-forward matrices"),
});
type Options = z.output<typeof optionsSchema>;

const isDefaultTarget: MatrixFilter = (matrix) =>
  matrix.purpose === "token embedding" || (matrix.layer !== undefined && hasAxis(matrix, "channels"));

export default defineMethod<Options>({
  title,
  paper:
    "Belhaouari, Kraidia: Efficient self-attention with smart pruning for sustainable large language models, 2025",
  options: optionsSchema,
  rate: "sparsity",
  needs: ({ train, tolerance }) => (train === undefined && tolerance === undefined ? [] : ["text"]),
  samples: [
    {},
    { sparsity: 0.4, group: "matrix", targets: "layers.*.mlp.*" },
    { sparsity: 0.5, positive: 0.2, negative: 0.1, base: "original", rounding: "kept" },
    { sparsity: 0.3, select: "largest", biases: false, targets: "layers.0.*" },
    { sparsity: 0.3, targets: "layers.0.mlp.*", positive: 0.3, negative: 0.3, train: { max_steps: 2 } },
  ],

  plan(before, settings) {
    const groups = createGroups(before, settings);
    const keptCounts = new Map(
      groups.flatMap((group) => distribute(group, sumSizes(group) - countRemoved(group, settings))),
    );
    const single = groups.every(({ pieces }) => new Set(pieces.map(({ target }) => target)).size === 1);
    const exact = endsEarly(settings) ? "least" : single ? "roles" : "total";
    return planBetween(before, buildMaskedShape(before, groups, keptCounts), exact);
  },

  async apply(before, settings, lab) {
    const groups = createGroups(before.shape, settings);
    let model = before;
    for (const [i, group] of groups.entries()) {
      model = await pruneGroup(model, group, settings, lab);
      lab.progress(i + 1, groups.length, "layers");
    }
    return { shape: model.shape, tensors: model.tensors };
  },
});

/** The weights of a matrix, or its bias. */
interface Piece {
  /** The address of its representation. */
  readonly role: string;
  readonly name: string;
  readonly mask: string;
  readonly shape: readonly number[];
  readonly size: number;
  readonly target: Target;
}

/** Weights that are compared with each other. */
interface Group {
  readonly title: string;
  readonly pieces: readonly Piece[];
}

const sumSizes = ({ pieces }: Group): number => pieces.reduce((total, { size }) => total + size, 0);

function countRemoved(group: Group, { sparsity, rounding }: Options): number {
  const all = sumSizes(group);
  return rounding === "removed" ? countShare(all, sparsity) : all - countShare(all, 1 - sparsity);
}

/** Whether it may stop before the target, so that a plan knows only a lower bound of the remaining weights. */
function endsEarly({ sparsity, tolerance, positive, negative, base, max_iterations }: Options): boolean {
  const least = Math.min(positive, negative);
  const reached = base === "remaining" ? 1 - (1 - least) ** max_iterations : least * max_iterations;
  return tolerance !== undefined || reached < sparsity;
}

function createGroups(shape: ModelShape, settings: Options): Group[] {
  const targets = selectDenseTargets(title, shape, settings, isDefaultTarget);
  if (settings.positive + settings.negative === 0)
    throw new WorkbenchError(
      "invalid-input",
      "fpp.positive and fpp.negative are both 0, so nothing would be pruned. Set at least one above 0.",
    );
  if (settings.sparsity === 0) return [];
  const biases = new Map(listMatrixSlots(shape).map(({ matrix, bias }) => [matrix.role, bias]));
  const groups = new Map<string, Piece[]>();
  for (const target of targets) {
    const { matrix } = target;
    const { role, layer, inputs, outputs } = matrix;
    const key = settings.group === "layer" && layer !== undefined ? layerRole(layer) : role;
    const pieces = groups.get(key) ?? [];
    groups.set(key, pieces);
    const weightPiece = { name: weightName(matrix), mask: maskName(matrix), shape: denseShape(matrix) };
    pieces.push({ role, ...weightPiece, size: inputs * outputs, target });
    const bias = biases.get(role);
    if (!settings.biases || bias === undefined || bias.mask !== undefined) continue;
    const { name, shape: size } = bias.spec;
    pieces.push({ role: biasRole(matrix), name, mask: `${name}_mask`, shape: size, size: outputs, target });
  }
  return [...groups].map(([key, pieces]) => ({ title: key, pieces }));
}

/** Distributes the remaining weights of a group over its pieces. Only the sum is exact, because the shares depend on the weights. */
function distribute(group: Group, left: number): (readonly [string, number])[] {
  let [rest, size] = [left, sumSizes(group)];
  return group.pieces.map((piece) => {
    const share = Math.min(piece.size, Math.ceil((rest * piece.size) / size));
    rest -= share;
    size -= piece.size;
    return [piece.role, share] as const;
  });
}

function buildMaskedShape(
  before: ModelShape,
  groups: readonly Group[],
  keptCounts: ReadonlyMap<string, number>,
): ModelShape {
  const choices: RepresentationChoices = Object.fromEntries(
    groups.flatMap(({ pieces }) =>
      pieces.map(({ role }) => [role, { type: "masked", options: { kept: keptCounts.get(role)! } }]),
    ),
  );
  return withRepresentations(before, choices);
}

async function pruneGroup(
  before: Checkpoint,
  group: Group,
  settings: Options,
  lab: Lab,
): Promise<Checkpoint> {
  const goal = countRemoved(group, settings);
  const left = new Uint8Array(sumSizes(group)).fill(1);
  const targets = [...new Set(group.pieces.map(({ target }) => target))];
  const whole = { shape: before.shape, tensors: unpackTargets(before, targets) };
  const limit =
    settings.tolerance === undefined
      ? undefined
      : (await lab.evaluate(before, "eval/loss")) + settings.tolerance;
  const original =
    settings.base === "original" ? countSigns(concatenateValues(whole, group), left) : undefined;
  let model = maskPieces(whole, group, left);
  let removed = 0;
  for (let iteration = 1; iteration <= settings.max_iterations && removed < goal; iteration++) {
    if (lab.signal.aborted) throw new WorkbenchError("cancelled", `${title} was stopped.`);
    if (settings.train !== undefined) model = await lab.train(model, settings.train);
    const { positive, negative, select } = settings;
    const rule = { positive, negative, select, original, most: goal - removed };
    const values = concatenateValues(model, group);
    refuseNaN(group.title, values, left);
    const dropped = selectDrops(values, left, rule);
    for (const at of dropped) left[at] = 0;
    const pruned = maskPieces(model, group, left);
    const loss = limit === undefined ? undefined : await lab.evaluate(pruned, "eval/loss");
    if (loss !== undefined && !(loss <= limit!)) {
      lab.log(
        `${group.title}: iteration ${iteration} raises the validation loss to ${loss.toFixed(4)}, above the limit of ${limit!.toFixed(4)}; reverted it.`,
      );
      return model;
    }
    removed += dropped.length;
    model = pruned;
    lab.progress(removed, goal, `zeros of ${group.title}`);
  }
  if (removed < goal)
    lab.log(
      `${group.title}: ${removed} of ${goal} weights are zero after ${settings.max_iterations} iterations.`,
    );
  // Trains the remaining weights with a new optimizer state.
  return settings.train === undefined ? model : lab.train(model, settings.train);
}

/** The values of a group, with its pieces concatenated. */
function concatenateValues({ tensors }: Checkpoint, group: Group): Float32Array {
  const values = new Float32Array(sumSizes(group));
  let at = 0;
  for (const { name, size } of group.pieces) {
    values.set(readFloats(tensors, name), at);
    at += size;
  }
  return values;
}

/** Masks these positions of the group and sets them to zero. */
function maskPieces({ shape, tensors: before }: Checkpoint, group: Group, left: Uint8Array): Checkpoint {
  const tensors = new Map(before);
  const keptCounts = new Map<string, number>();
  let at = 0;
  for (const { role, name, mask, shape: size, size: count } of group.pieces) {
    const keeps = left.slice(at, at + count);
    const data = readFloats(tensors, name).map((each, i) => (keeps[i] === 1 ? each : 0));
    tensors.set(name, { shape: size, data });
    tensors.set(mask, { shape: size, data: keeps });
    keptCounts.set(role, countNonZeros(keeps));
    at += count;
  }
  return { shape: buildMaskedShape(shape, [group], keptCounts), tensors };
}
