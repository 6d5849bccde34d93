/**
 * Structured pruning: removes whole feed-forward channels and attention heads from every matrix that produces or reads them.
 * The remaining ones are moved to the front, which does not change the function, and leave smaller dense matrices.
 */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import { biasRole } from "../../models/biases";
import { type CoupledGroup, coupledGroups } from "../../models/coupling";
import type { RepresentationChoices } from "../../models/family";
import { dimensionsOf, type ModelShape, parametersOf, withRepresentations } from "../../models/model";
import { fromInOut, toInOut, weightName } from "../../representations/dense";
import { slicedShape } from "../../representations/sliced";
import type { MatrixSpec } from "../../representations/representation";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import type { HostTensor } from "../../checkpoints/safetensors";
import { shifted } from "../addedBiases";
import { denseTargets } from "../denseTargets";
import { type Plan, planBetween, shareOption } from "../method";
import { floatsOf, takenApart } from "../takenApart";
import type { Target } from "../targets";

/** `scope` is the default. */
export const structuredOptions = (scope: "global" | "layer") => ({
  rate: shareOption(
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
export interface Coupled {
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
export function coupledIn(title: string, shape: ModelShape, { parts, layers }: StructuredOptions): Coupled[] {
  const { layers: count } = dimensionsOf(shape);
  const [first, last] = layers ?? [0, count - 1];
  if (first > last || last >= count)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: layers [${first}, ${last}] is not a range within the model's layers 0 to ${count - 1}.`,
    );
  const isMeant = ({ kind, layer }: CoupledGroup) =>
    layer !== undefined && layer >= first && layer <= last && parts.some((part) => part === kind);
  return coupledGroups(shape).flatMap((group): Coupled[] => {
    if (!isMeant(group)) return [];
    const { kind, layer, units } = group as CoupledGroup & Pick<Coupled, "kind" | "layer">;
    const dense = (matrices: readonly MatrixSpec[]): Target[] => {
      const roles = new Set(matrices.map(({ role }) => role));
      return denseTargets(title, shape, {}, ({ role }) => roles.has(role));
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
export type Kept = readonly (readonly number[])[];

/**
 * Removes the units with the lowest scores until at least the share is removed. Scores are compared across groups without
 * scaling; of equal scores the first unit is removed.
 */
export function choose(
  groups: readonly Coupled[],
  scores: readonly ArrayLike<number>[],
  options: StructuredOptions,
): Kept {
  const { rate, scope } = options;
  const gone = groups.map(() => new Set<number>());
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
      if (gone[group]!.size === groups[group]!.units - 1) continue;
      gone[group]!.add(unit);
      left -= groups[group]!.cost;
    }
  }
  return groups.map(({ units }, i) =>
    Array.from({ length: units }, (_, unit) => unit).filter((unit) => !gone[i]!.has(unit)),
  );
}

/** Predicts the outcome before any scores: over the whole model at least the share is removed; by layer the number of units is exact. */
export function planStructured(
  before: ModelShape,
  groups: readonly Coupled[],
  options: StructuredOptions,
): Plan {
  const { rate, scope } = options;
  const kept = groups.map(({ units }) => {
    const most = scope === "global" ? Math.floor(rate * units) : Math.ceil(rate * units * (1 - 1e-12));
    return Math.max(1, units - most);
  });
  return planBetween(before, slicedModel(before, groups, kept), scope === "global" ? "most" : "roles");
}

function slicedModel(before: ModelShape, groups: readonly Coupled[], kept: readonly number[]): ModelShape {
  const choices: Record<string, RepresentationChoices[string]> = {};
  groups.forEach(({ units, producers, consumer }, i) => {
    if (kept[i] === units) return;
    const share = (whole: number) => (whole / units) * kept[i]!;
    for (const { matrix } of producers)
      choices[matrix.role] = { type: "sliced", options: { outputs: share(matrix.outputs) } };
    choices[consumer.matrix.role] = {
      type: "sliced",
      options: { inputs: share(consumer.matrix.inputs) },
    };
    for (const [packed, parts] of byPacked(producers))
      if (packed.bias) {
        // The bias of a removed unit has no effect.
        const lost = parts.reduce((sum, { matrix }) => sum + matrix.outputs - share(matrix.outputs), 0);
        choices[biasRole(packed)] = { type: "masked", options: { kept: packed.outputs - lost } };
      }
  });
  return withRepresentations(before, choices);
}

function byPacked(producers: readonly Target[]): Map<MatrixSpec, Target[]> {
  const found = new Map<MatrixSpec, Target[]>();
  for (const target of producers) {
    const whole = target.packedIn ?? target.matrix;
    const same = [...found.keys()].find(({ role }) => role === whole.role) ?? whole;
    found.set(same, [...(found.get(same) ?? []), target]);
  }
  return found;
}

/** Returns the model with the remaining units at the front; `shifts` are added to the biases of consumers, by role. */
export function withUnits(
  before: Checkpoint,
  groups: readonly Coupled[],
  kept: Kept,
  shifts: ReadonlyMap<string, Float64Array> = new Map(),
): Checkpoint {
  const after = slicedModel(
    before.shape,
    groups,
    kept.map(({ length }) => length),
  );
  const cut = groups.filter(({ units }, i) => kept[i]!.length < units);
  const tensors: Map<string, HostTensor> = takenApart(
    before,
    cut.flatMap(({ producers, consumer }) => [...producers, consumer]),
  );
  groups.forEach(({ units, producers, consumer }, i) => {
    const stay = kept[i]!;
    if (stay.length === units) return;
    for (const { matrix } of producers)
      tensors.set(
        weightName(matrix),
        cutMatrix(tensors, matrix, { outputs: placesOf(stay, matrix.outputs / units) }),
      );
    const { matrix } = consumer;
    tensors.set(
      weightName(matrix),
      cutMatrix(tensors, matrix, { inputs: placesOf(stay, matrix.inputs / units) }),
    );
    for (const [packed, parts] of byPacked(producers))
      if (packed.bias) cutBias(tensors, packed, parts, stay, units);
  });
  for (const [role, shift] of shifts) tensors.set(...shifted(before.shape, tensors, role, shift));
  // Drop tensors that the new shape lacks, such as a packed weight whose parts are sliced.
  const names = new Set(parametersOf(after).map(({ name }) => name));
  return { shape: after, tensors: new Map([...tensors].filter(([name]) => names.has(name))) };
}

/** Returns the rows or columns of the units. */
function placesOf(units: readonly number[], width: number): number[] {
  return units.flatMap((unit) => Array.from({ length: width }, (_, i) => unit * width + i));
}

function cutMatrix(
  tensors: ReadonlyMap<string, HostTensor>,
  matrix: MatrixSpec,
  { inputs, outputs }: { readonly inputs?: readonly number[]; readonly outputs?: readonly number[] },
): HostTensor {
  const dense = toInOut(floatsOf(tensors, weightName(matrix)), matrix);
  const rows = inputs ?? Array.from({ length: matrix.inputs }, (_, i) => i);
  const columns = outputs ?? Array.from({ length: matrix.outputs }, (_, i) => i);
  const own = new Float32Array(rows.length * columns.length);
  rows.forEach((row, i) =>
    columns.forEach((column, j) => (own[i * columns.length + j] = dense[row * matrix.outputs + column]!)),
  );
  const small = { ...matrix, inputs: rows.length, outputs: columns.length };
  const sizes = { inputs: rows.length, outputs: columns.length };
  return { shape: slicedShape(matrix, sizes), data: fromInOut(own, small) };
}

/** Moves the values of the remaining units to the front of each part, with a mask that keeps them. */
function cutBias(
  tensors: Map<string, HostTensor>,
  packed: MatrixSpec,
  parts: readonly Target[],
  stay: readonly number[],
  units: number,
): void {
  const name = `${packed.name}.bias`;
  const bias = floatsOf(tensors, name);
  const data = bias.slice();
  const mask = new Uint8Array(bias.length).fill(1);
  for (const { matrix } of parts) {
    const from = packed.parts?.find(({ role }) => role === matrix.role)?.from ?? 0;
    const places = placesOf(stay, matrix.outputs / units);
    for (let i = 0; i < matrix.outputs; i++) {
      data[from + i] = i < places.length ? bias[from + places[i]!]! : 0;
      mask[from + i] = Number(i < places.length);
    }
  }
  tensors.set(name, { shape: [bias.length], data });
  tensors.set(`${packed.name}.bias_mask`, { shape: [bias.length], data: mask });
}
