/**
 * Bonsai (Dery et al. 2024, arXiv 2402.05406): removes heads and channels by forward passes alone. In each round, models without
 * half of the units of lowest prior are measured, and a regression of their losses on what they lack finds what each unit is
 * worth. Add a `train` cell afterwards for recovery.
 */
import * as z from "zod";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor, HostTensors } from "../checkpoints/safetensors";
import { createCalibrationSchema } from "../compression/calibration/batches";
import { squaresTap } from "../compression/calibration/observe";
import { fillForm, formOption } from "../compression/form";
import { defineMethod, type Lab } from "../compression/method";
import { drawMasks, regressLosses } from "../compression/pruning/perturbations";
import { refitConsumers, refitOptions } from "../compression/pruning/refitConsumers";
import {
  createStructuredOptions,
  findUnitGroups,
  keepUnits,
  planStructured,
  selectUnits,
  type UnitGroup,
} from "../compression/pruning/structured";
import { readFloats } from "../compression/unpackTargets";
import { fromInOut, toInOut, weightName } from "../representations/dense";
import { createRandomStream } from "../representations/randomStream";

const title = "Bonsai";

const optionsSchema = z.strictObject({
  ...createStructuredOptions("layer"),
  masks: z
    .int()
    .min(2)
    .optional()
    .describe("Models to measure in each round. Default: 32, and 200 in the published form."),
  step: z
    .number()
    .gt(0)
    .max(0.5)
    .optional()
    .describe(
      "Share of the units that a round removes, from twice as many candidates. Default: 0.2, and 0.05 in the published form.",
    ),
  ridge: z
    .number()
    .positive()
    .default(1e-3)
    .describe("Ridge of the regression, relative to the number of models."),
  ...refitOptions,
  calibration: createCalibrationSchema(
    32,
    "measure losses on",
    "Text for the prior, the losses and `refit`.",
  ),
  ...formOption,
});
type Options = z.output<typeof optionsSchema>;

const forms = {
  improved: { masks: 32, step: 0.2, refit: true },
  published: { masks: 200, step: 0.05, refit: false },
};

const calibration = { samples: 4, batch_size: 4 };

export default defineMethod<Options>({
  title,
  paper: "Dery et al.: Everybody prune now, structured pruning of LLMs with only forward passes, 2024",
  options: optionsSchema,
  rate: "rate",
  needs: () => ["text"],
  samples: [
    { rate: 0, calibration },
    { rate: 0.5, masks: 8, step: 0.5, calibration },
    { rate: 0.4, masks: 6, step: 0.25, scope: "global", parts: ["channels"], refit: false, calibration },
  ],

  plan: (before, options) => planStructured(before, findUnitGroups(title, before, options), options),

  async apply(before, given, lab) {
    const options = fillForm(given, forms);
    const groups = findUnitGroups(title, before.shape, options);
    if (options.rate === 0) return before;
    const scores = await rankUnits(before, groups, options, lab);
    const keptUnits = selectUnits(groups, scores, options);
    const fitted = options.refit ? await refitConsumers(before, groups, keptUnits, options, lab) : before;
    return keepUnits(fitted, groups, keptUnits);
  },
});

interface Unit {
  readonly group: number;
  readonly unit: number;
  readonly prior: number;
}

/** Scores of all units: those of earlier rounds lowest, in the order in which they are to be removed. */
async function rankUnits(
  before: Checkpoint,
  groups: readonly UnitGroup[],
  options: Pick<Options, "rate" | "scope" | "calibration" | "ridge"> & {
    readonly masks: number;
    readonly step: number;
  },
  lab: Lab,
): Promise<Float64Array[]> {
  const priors = await computePriors(before, groups, options, lab);
  const random = createRandomStream("masks of Bonsai", lab.seed);
  const rounds = Math.ceil(options.rate / options.step - 1e-9);
  // What no round removes comes last, by its prior.
  const most = Math.max(1, ...priors.flatMap((each) => [...each]));
  const scores = priors.map((each) => each.map((prior) => rounds + 1 + prior / most));
  const removed = new Set<string>();
  let tensors: HostTensors = before.tensors;
  for (let round = 0; round < rounds; round++) {
    const candidates = listPools(groups, options.scope).flatMap((pool) =>
      chooseCandidates(pool, groups, priors, removed, options.step),
    );
    if (candidates.length < 2) break;
    const masks = drawMasks(candidates.length, options.masks, random);
    const base = tensors;
    const losses: number[] = [];
    const models = function* () {
      for (const mask of masks)
        yield dropUnits(
          base,
          groups,
          candidates.filter((_, i) => mask[i]),
        );
    };
    for await (const loss of lab.losses(before.shape, models(), options.calibration)) {
      losses.push(loss);
      lab.progress(round * masks.length + losses.length, rounds * masks.length, "models measured");
    }
    const worth = regressLosses(masks, losses, options.ridge);
    // The scores of a round are between its number and the next one, in the order of the regression.
    const order = candidates.map((candidate, i) => ({ ...candidate, worth: worth[i]! }));
    order.sort((a, b) => a.worth - b.worth);
    const chosen = listPools(groups, options.scope).flatMap((pool) => {
      const own = order.filter(({ group }) => pool.includes(group));
      return own.slice(0, Math.ceil(own.length / 2));
    });
    for (const [i, { group, unit }] of chosen.entries()) {
      removed.add(`${group}.${unit}`);
      scores[group]![unit] = round + i / chosen.length;
    }
    tensors = dropUnits(tensors, groups, chosen);
    lab.log(
      `Round ${round + 1} of ${rounds}: the losses of ${masks.length} models are between ${Math.min(...losses).toFixed(4)} and ${Math.max(...losses).toFixed(4)}.`,
    );
  }
  return scores;
}

/** Groups whose units compete: all of one kind, or each on its own. */
function listPools(groups: readonly UnitGroup[], scope: Options["scope"]): readonly (readonly number[])[] {
  const all = groups.map((_, i) => i);
  if (scope === "layer") return all.map((i) => [i]);
  return (["heads", "channels"] as const).map((kind) => all.filter((i) => groups[i]!.kind === kind));
}

/** Twice as many units as a round removes, those of lowest prior. */
function chooseCandidates(
  pool: readonly number[],
  groups: readonly UnitGroup[],
  priors: readonly Float64Array[],
  removed: ReadonlySet<string>,
  step: number,
): Unit[] {
  const all = pool.reduce((sum, group) => sum + groups[group]!.units, 0);
  const left = pool.flatMap((group) =>
    Array.from(priors[group]!, (prior, unit) => ({ group, unit, prior })).filter(
      ({ unit }) => !removed.has(`${group}.${unit}`),
    ),
  );
  return left.sort((a, b) => a.prior - b.prior).slice(0, 2 * Math.max(1, Math.round(step * all)));
}

/** Without these units: the weights that read them are zero. */
function dropUnits(
  tensors: HostTensors,
  groups: readonly UnitGroup[],
  dropped: readonly Unit[],
): HostTensors {
  const changed = new Map<string, HostTensor>(tensors);
  for (const [i, { units, consumer }] of groups.entries()) {
    const lost = new Set(dropped.flatMap(({ group, unit }) => (group === i ? [unit] : [])));
    if (lost.size === 0) continue;
    const { matrix } = consumer;
    const name = weightName(matrix);
    const weights = toInOut(readFloats(tensors, name), matrix).slice();
    for (let input = 0; input < matrix.inputs; input++)
      if (lost.has(Math.floor((input * units) / matrix.inputs)))
        weights.fill(0, input * matrix.outputs, (input + 1) * matrix.outputs);
    changed.set(name, { shape: tensors.get(name)!.shape, data: fromInOut(weights, matrix) });
  }
  return changed;
}

/** The size of what a unit contributes: √(E[x²] · ‖w‖²), averaged over its inputs, as the published prior by activations. */
async function computePriors(
  before: Checkpoint,
  groups: readonly UnitGroup[],
  { calibration: text }: Pick<Options, "calibration">,
  lab: Lab,
): Promise<Float64Array[]> {
  const taps = new Map(groups.map(({ consumer }) => [consumer.matrix.role, squaresTap]));
  const observed = await lab.observe(before, taps, text);
  return groups.map(({ units, consumer: { matrix } }) => {
    const weights = toInOut(readFloats(before.tensors, weightName(matrix)), matrix);
    const squares = observed.get(matrix.role)!["squares"]!;
    const priors = new Float64Array(units);
    for (let input = 0; input < matrix.inputs; input++) {
      let size = 0;
      for (let output = 0; output < matrix.outputs; output++)
        size += weights[input * matrix.outputs + output]! ** 2;
      priors[Math.floor((input * units) / matrix.inputs)]! += Math.sqrt(squares[input]! * size);
    }
    return priors;
  });
}
