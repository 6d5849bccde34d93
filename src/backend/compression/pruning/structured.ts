/**
 * Structured pruning: removes whole feed-forward channels and attention heads from every matrix that produces or reads them.
 * The remaining ones are moved to the front, which does not change the function, and leave smaller dense matrices.
 */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import { biasRole } from "../../models/biases";
import { type CoupledGroup, listCoupledGroups } from "../../models/coupling";
import type { RepresentationChoices } from "../../models/family";
import { dimensionsOf, type ModelShape, parametersOf, withRepresentations } from "../../models/model";
import { fromInOut, toInOut, weightName } from "../../representations/dense";
import { getSlicedShape } from "../../representations/sliced";
import type { MatrixSpec } from "../../representations/representation";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import type { HostTensor } from "../../checkpoints/safetensors";
import { shiftBias } from "../addBiases";
import { selectDenseTargets } from "../denseTargets";
import { type Plan, planBetween, createShareOption } from "../method";
import { readFloats, unpackTargets } from "../unpackTargets";
import type { Target } from "../targets";

/** `scope` is the default. */
export const createStructuredOptions = (scope: "global" | "layer") => ({
  rate: createShareOption(
    0.2,
    "Share of the scalars of the pruned matrices to remove; each layer keeps at least one head and one channel.",
  ),
  parts: z
    .array(z.enum(["heads", "channels"]))
    .min(1)
    .default(["heads", "channels"])
    .describe("What to remove: attention heads, feed-forward channels, or both."),
  scope: z
    .enum(["global", "layer"])
    .default(scope)
    .describe("Compare scores over the whole model, or remove the same share of each layer."),
  layers: z
    .tuple([z.int().min(0), z.int().min(0)])
    .optional()
    .describe("First and last layer to prune, from 0; all when left out."),
});
export interface StructuredOptions {
  readonly rate: number;
  readonly parts: readonly ("heads" | "channels")[];
  readonly scope: "global" | "layer";
  readonly layers?: readonly [number, number] | undefined;
}

/** Matrices that share heads or channels. A unit is one channel, or one key-value head with the queries that read it. */
export interface UnitGroup {
  readonly kind: "heads" | "channels";
  readonly layer: number;
  readonly units: number;
  /** The matrices whose outputs are the units, and the one whose inputs they are. */
  readonly producers: readonly Target[];
  readonly consumer: Target;
  /** Scalars of these matrices and their biases that belong to one unit. */
  readonly cost: number;
}

/** Lists what can be removed; throws for matrices that are not dense and layers that do not exist. */
export function findUnitGroups(
  title: string,
  shape: ModelShape,
  { parts, layers }: StructuredOptions,
): UnitGroup[] {
  const { layers: count } = dimensionsOf(shape);
  const [first, last] = layers ?? [0, count - 1];
  if (first > last || last >= count)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: layers [${first}, ${last}] is not a range within the model's layers 0 to ${count - 1}.`,
    );
  const isSelected = ({ kind, layer }: CoupledGroup) =>
    layer !== undefined && layer >= first && layer <= last && parts.some((part) => part === kind);
  return listCoupledGroups(shape).flatMap((group): UnitGroup[] => {
    if (!isSelected(group)) return [];
    const { kind, layer, units } = group as CoupledGroup & Pick<UnitGroup, "kind" | "layer">;
    const dense = (matrices: readonly MatrixSpec[]): Target[] => {
      const roles = new Set(matrices.map(({ role }) => role));
      return selectDenseTargets(title, shape, {}, ({ role }) => roles.has(role));
    };
    const [consumer, another] = group.consumers;
    if (consumer === undefined || another !== undefined || group.vectors.length > 0)
      throw new WorkbenchError(
        "unsupported",
        `${title} cannot be applied: the ${kind} of layer ${layer} are not read by exactly one matrix. Leave ${kind} out of parts.`,
      );
    const producers = dense(group.producers);
    const [reader] = dense([consumer]) as [Target];
    const cost =
      producers.reduce((sum, { matrix, packedIn }) => {
        const scalars = matrix.inputs * matrix.outputs + ((packedIn ?? matrix).bias ? matrix.outputs : 0);
        return sum + scalars / units;
      }, 0) +
      (consumer.inputs * consumer.outputs) / units;
    return [{ kind, layer, units, producers, consumer: reader, cost }];
  });
}

/** The remaining units of each group, in ascending order. */
export type KeptUnits = readonly (readonly number[])[];

/**
 * Removes the units with the lowest scores until at least the share is removed. Scores are compared across groups without
 * scaling; of equal scores the first unit is removed.
 */
export function selectUnits(
  groups: readonly UnitGroup[],
  scores: readonly ArrayLike<number>[],
  options: StructuredOptions,
): KeptUnits {
  const { rate, scope } = options;
  const removed = groups.map(() => new Set<number>());
  const pools = scope === "global" ? [groups.map((_, i) => i)] : groups.map((_, i) => [i]);
  for (const pool of pools) {
    const all = pool.reduce((sum, i) => sum + groups[i]!.units * groups[i]!.cost, 0);
    let left = rate * all * (1 - 1e-12);
    const units = pool.flatMap((group) =>
      Array.from({ length: groups[group]!.units }, (_, unit) => ({
        group,
        unit,
        score: scores[group]![unit]!,
      })),
    );
    for (const { group, unit } of units.sort((a, b) => a.score - b.score)) {
      if (left <= 0) break;
      if (removed[group]!.size === groups[group]!.units - 1) continue;
      removed[group]!.add(unit);
      left -= groups[group]!.cost;
    }
  }
  return groups.map(({ units }, i) =>
    Array.from({ length: units }, (_, unit) => unit).filter((unit) => !removed[i]!.has(unit)),
  );
}

/** Predicts the outcome before any scores: over the whole model at least the share is removed; by layer the number of units is exact. */
export function planStructured(
  before: ModelShape,
  groups: readonly UnitGroup[],
  options: StructuredOptions,
): Plan {
  const { rate, scope } = options;
  const keptCounts = groups.map(({ units }) => {
    const most = scope === "global" ? Math.floor(rate * units) : Math.ceil(rate * units * (1 - 1e-12));
    return Math.max(1, units - most);
  });
  return planBetween(
    before,
    createSlicedShape(before, groups, keptCounts),
    scope === "global" ? "most" : "roles",
  );
}

function createSlicedShape(
  before: ModelShape,
  groups: readonly UnitGroup[],
  keptCounts: readonly number[],
): ModelShape {
  const choices: Record<string, RepresentationChoices[string]> = {};
  groups.forEach(({ units, producers, consumer }, i) => {
    if (keptCounts[i] === units) return;
    const share = (whole: number) => (whole / units) * keptCounts[i]!;
    for (const { matrix } of producers)
      choices[matrix.role] = { type: "sliced", options: { outputs: share(matrix.outputs) } };
    choices[consumer.matrix.role] = {
      type: "sliced",
      options: { inputs: share(consumer.matrix.inputs) },
    };
    for (const [packed, parts] of groupByPacked(producers))
      if (packed.bias) {
        // The bias of a removed unit has no effect.
        const lost = parts.reduce((sum, { matrix }) => sum + matrix.outputs - share(matrix.outputs), 0);
        choices[biasRole(packed)] = { type: "masked", options: { kept: packed.outputs - lost } };
      }
  });
  return withRepresentations(before, choices);
}

function groupByPacked(producers: readonly Target[]): Map<MatrixSpec, Target[]> {
  const partsByPacked = new Map<MatrixSpec, Target[]>();
  for (const target of producers) {
    const whole = target.packedIn ?? target.matrix;
    const same = [...partsByPacked.keys()].find(({ role }) => role === whole.role) ?? whole;
    partsByPacked.set(same, [...(partsByPacked.get(same) ?? []), target]);
  }
  return partsByPacked;
}

/** Returns the model with the remaining units at the front; `shifts` are added to the biases of consumers, by role. */
export function keepUnits(
  before: Checkpoint,
  groups: readonly UnitGroup[],
  keptUnits: KeptUnits,
  shifts: ReadonlyMap<string, Float64Array> = new Map(),
): Checkpoint {
  const after = createSlicedShape(
    before.shape,
    groups,
    keptUnits.map(({ length }) => length),
  );
  const cut = groups.filter(({ units }, i) => keptUnits[i]!.length < units);
  const tensors: Map<string, HostTensor> = unpackTargets(
    before,
    cut.flatMap(({ producers, consumer }) => [...producers, consumer]),
  );
  groups.forEach(({ units, producers, consumer }, i) => {
    const keptIndices = keptUnits[i]!;
    if (keptIndices.length === units) return;
    for (const { matrix } of producers)
      tensors.set(
        weightName(matrix),
        cutMatrix(tensors, matrix, { outputs: expandUnits(keptIndices, matrix.outputs / units) }),
      );
    const { matrix } = consumer;
    tensors.set(
      weightName(matrix),
      cutMatrix(tensors, matrix, { inputs: expandUnits(keptIndices, matrix.inputs / units) }),
    );
    for (const [packed, parts] of groupByPacked(producers))
      if (packed.bias) cutBias(tensors, packed, parts, keptIndices, units);
  });
  for (const [role, shift] of shifts) tensors.set(...shiftBias(before.shape, tensors, role, shift));
  // Drop tensors that the new shape lacks, such as a packed weight whose parts are sliced.
  const names = new Set(parametersOf(after).map(({ name }) => name));
  return { shape: after, tensors: new Map([...tensors].filter(([name]) => names.has(name))) };
}

/** Returns the rows or columns of the units. */
function expandUnits(units: readonly number[], width: number): number[] {
  return units.flatMap((unit) => Array.from({ length: width }, (_, i) => unit * width + i));
}

function cutMatrix(
  tensors: ReadonlyMap<string, HostTensor>,
  matrix: MatrixSpec,
  { inputs, outputs }: { readonly inputs?: readonly number[]; readonly outputs?: readonly number[] },
): HostTensor {
  const dense = toInOut(readFloats(tensors, weightName(matrix)), matrix);
  const rows = inputs ?? Array.from({ length: matrix.inputs }, (_, i) => i);
  const columns = outputs ?? Array.from({ length: matrix.outputs }, (_, i) => i);
  const values = new Float32Array(rows.length * columns.length);
  rows.forEach((row, i) =>
    columns.forEach((column, j) => (values[i * columns.length + j] = dense[row * matrix.outputs + column]!)),
  );
  const small = { ...matrix, inputs: rows.length, outputs: columns.length };
  const sizes = { inputs: rows.length, outputs: columns.length };
  return { shape: getSlicedShape(matrix, sizes), data: fromInOut(values, small) };
}

/** Moves the values of the remaining units to the front of each part, with a mask that keeps them. */
function cutBias(
  tensors: Map<string, HostTensor>,
  packed: MatrixSpec,
  parts: readonly Target[],
  keptIndices: readonly number[],
  units: number,
): void {
  const name = `${packed.name}.bias`;
  const bias = readFloats(tensors, name);
  const data = bias.slice();
  const mask = new Uint8Array(bias.length).fill(1);
  for (const { matrix } of parts) {
    const from = packed.parts?.find(({ role }) => role === matrix.role)?.from ?? 0;
    const places = expandUnits(keptIndices, matrix.outputs / units);
    for (let i = 0; i < matrix.outputs; i++) {
      data[from + i] = i < places.length ? bias[from + places[i]!]! : 0;
      mask[from + i] = Number(i < places.length);
    }
  }
  tensors.set(name, { shape: [bias.length], data });
  tensors.set(`${packed.name}.bias_mask`, { shape: [bias.length], data: mask });
}
