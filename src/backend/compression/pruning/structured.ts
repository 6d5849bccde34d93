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
import type { MatrixSpec } from "../../representations/representation";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import type { HostTensor } from "../../checkpoints/safetensors";
import { shiftBias } from "../addBiases";
import { groupBy } from "../groupBy";
import { type Plan, planBetween, createShareOption } from "../method";
import { readFloats, unpackTargets } from "../unpackTargets";
import { chooseCut, cutTarget, findUnitTargets, type UnitTarget } from "./unitTargets";

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
  readonly producers: readonly UnitTarget[];
  readonly consumer: UnitTarget;
  /** Scalars of these matrices and their biases that belong to one unit. */
  readonly cost: number;
}

/** Lists what can be removed; throws for matrices that cannot be cut and layers that do not exist. */
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
    const { kind, layer } = group as CoupledGroup & Pick<UnitGroup, "kind" | "layer">;
    const [consumer, another] = group.consumers;
    if (consumer === undefined || another !== undefined || group.vectors.length > 0)
      throw new WorkbenchError(
        "unsupported",
        `${title} cannot be applied: the ${kind} of layer ${layer} are not read by exactly one matrix. Leave ${kind} out of parts.`,
      );
    const producers = findUnitTargets(title, shape, group.producers, "outputs");
    const [reader] = findUnitTargets(title, shape, [consumer], "inputs") as [UnitTarget];
    const units = countUnits(title, group, producers, reader);
    const cost =
      producers.reduce((sum, { matrix, slot }) => {
        const scalars = matrix.inputs * matrix.outputs + (slot.bias ? matrix.outputs : 0);
        return sum + scalars / units;
      }, 0) +
      (reader.matrix.inputs * reader.matrix.outputs) / units;
    return [{ kind, layer, units, producers, consumer: reader, cost }];
  });
}

/** The units that are left; throws if the matrices of a group do not keep the same. */
function countUnits(
  title: string,
  { kind, layer, units }: CoupledGroup,
  producers: readonly UnitTarget[],
  consumer: UnitTarget,
): number {
  const counts = [
    ...producers.map(({ matrix, whole }) => (matrix.outputs * units) / whole.outputs),
    (consumer.matrix.inputs * units) / consumer.whole.inputs,
  ];
  const [count] = counts as [number];
  if (Number.isInteger(count) && counts.every((each) => each === count)) return count;
  throw new WorkbenchError(
    "unsupported",
    `${title} cannot be applied: the matrices of layer ${layer} do not keep the same ${kind}. Leave ${kind} out of parts, or leave the layer out of layers.`,
  );
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
    for (const target of producers)
      Object.assign(choices, chooseCut(target, { outputs: share(target.matrix.outputs) }));
    Object.assign(choices, chooseCut(consumer, { inputs: share(consumer.matrix.inputs) }));
    for (const [slot, parts] of groupBy(producers, ({ slot }) => slot))
      if (slot.bias) {
        // The bias of a removed unit has no effect.
        const lost = parts.reduce((sum, part) => sum + part.whole.outputs - share(part.matrix.outputs), 0);
        choices[biasRole(slot)] = { type: "masked", options: { kept: slot.outputs - lost } };
      }
  });
  return withRepresentations(before, choices);
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
    for (const target of producers)
      cutTarget(tensors, target, { outputs: expandUnits(keptIndices, target.matrix.outputs / units) });
    cutTarget(tensors, consumer, { inputs: expandUnits(keptIndices, consumer.matrix.inputs / units) });
    for (const [slot, parts] of groupBy(producers, ({ slot }) => slot))
      if (slot.bias) cutBias(tensors, slot, parts, keptIndices, units);
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

/** Moves the values of the remaining units to the front of each part, with a mask that keeps them. */
function cutBias(
  tensors: Map<string, HostTensor>,
  slot: MatrixSpec,
  parts: readonly UnitTarget[],
  keptIndices: readonly number[],
  units: number,
): void {
  const name = `${slot.name}.bias`;
  const bias = readFloats(tensors, name);
  const data = bias.slice();
  const mask = new Uint8Array(bias.length).fill(1);
  for (const { matrix, whole, from } of parts) {
    const places = expandUnits(keptIndices, matrix.outputs / units);
    for (let i = 0; i < whole.outputs; i++) {
      data[from + i] = i < places.length ? bias[from + places[i]!]! : 0;
      mask[from + i] = Number(i < places.length);
    }
  }
  tensors.set(name, { shape: [bias.length], data });
  tensors.set(`${slot.name}.bias_mask`, { shape: [bias.length], data: mask });
}
