/** Plans, creates and merges the low-rank adapters of a training (`train.lora`). */
import { WorkbenchError } from "../../protocol/errors";
import type { LoraOptions } from "../../schema/lora";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { isSliced, listAdapted, listModules, withAdapters } from "../models/adapters";
import { draw } from "../models/initialize";
import { hasAdapters, listClassHeadMatrices, type ModelShape, parametersOf } from "../models/model";
import { describeStorage, listWithPieces, type StoredMatrix } from "../models/weights";
import { type AdaptedOptions, computeOutputNorms } from "../representations/adapted";
import { fromInOut, weightName, weightShape } from "../representations/dense";
import type { MatrixSpec, TensorData, TensorSource } from "../representations/representation";
import { isProjection, selectTargets, type Target } from "./targets";

const title = "train.lora";

/** A model while adapters are trained, and after the step. */
export interface AdaptedTraining {
  readonly during: ModelShape;
  readonly after: ModelShape;
}

/** Throws, with the reason, if the model cannot be trained so. Without options, the model is trained as it is. */
export function planAdapters(shape: ModelShape, options: LoraOptions | undefined): AdaptedTraining {
  if (options === undefined) return { during: shape, after: shape };
  if (hasAdapters(shape))
    throw refuse(
      "the model has adapters already, and a train step without lora trains them further. Remove lora, or set merge: true in the step that added them.",
    );
  const targets = selectAdapted(shape, options);
  for (const target of targets) refuseTarget(shape, target, options);
  const { r, lora_alpha, lora_dropout, use_rslora, use_dora } = options;
  const adapter: AdaptedOptions = { r, lora_alpha, lora_dropout, use_rslora, use_dora };
  const during = withAdapters(shape, new Map(targets.map(({ matrix }) => [matrix.role, adapter])));
  return { during, after: options.merge ? shape : during };
}

const refuse = (why: string) => new WorkbenchError("unsupported", `${title} cannot be applied: ${why}`);

function selectAdapted(shape: ModelShape, options: LoraOptions): readonly Target[] {
  const { target_modules: modules, targets, ignore } = options;
  const isWhole = (stored: StoredMatrix) => !isSliced(stored);
  if (modules === undefined || modules === "all-linear")
    return selectTargets(
      shape,
      { targets: modules === undefined ? targets : undefined, ignore },
      isProjection,
      isWhole,
    );
  if (targets !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      `${title} has both target_modules and targets. Remove one of them.`,
    );
  const names = listModules(shape).map(({ matrix }) => matrix);
  const isTarget = createModuleTest(modules);
  if (!names.some(isTarget))
    throw new WorkbenchError(
      "invalid-input",
      `${title}.target_modules: no module of the model matches ${JSON.stringify(modules)}. Modules: ${listModuleEnds(names).join(", ")}.`,
      { allowed: listModuleEnds(names) },
    );
  return selectTargets(shape, { ignore }, isTarget, isWhole);
}

/** As PEFT: a string is a regular expression of whole names; each name of a list is a module or the end of its name. */
function createModuleTest(modules: string | readonly string[]): (matrix: MatrixSpec) => boolean {
  if (typeof modules !== "string")
    return ({ name }) => modules.some((each) => name === each || name.endsWith(`.${each}`));
  try {
    const expression = new RegExp(`^(?:${modules})$`);
    return ({ name }) => expression.test(name);
  } catch (cause) {
    throw new WorkbenchError(
      "invalid-input",
      `${title}.target_modules: "${modules}" is not a valid regular expression (${(cause as Error).message}). Write a list for names of modules.`,
      {},
      { cause },
    );
  }
}

const listModuleEnds = (matrices: readonly MatrixSpec[]): string[] => [
  ...new Set(matrices.map(({ name }) => name.slice(name.lastIndexOf(".") + 1))),
];

function refuseTarget(shape: ModelShape, target: Target, { merge, use_dora: hasNorms }: LoraOptions): void {
  const { matrix, packedIn, type, representation } = target;
  if (packedIn !== undefined)
    throw refuse(
      `${matrix.role} is a part of ${packedIn.role}, which is one module. Use ${packedIn.role} instead.`,
    );
  const whole = listModules(shape).find((each) =>
    listWithPieces(each).some((piece) => piece.matrix.role === matrix.role),
  );
  if (whole?.matrix.role !== matrix.role)
    throw refuse(
      `${matrix.role} is a piece of a matrix, and adapters belong to whole ones. Use ${whole?.matrix.role ?? "the whole matrix"} instead.`,
    );
  if (listClassHeadMatrices(shape).some(({ role }) => role === matrix.role))
    throw refuse(`${matrix.role} is the head over classes, which is trained whole. Leave it out.`);
  if (hasNorms && representation.dense === undefined)
    throw refuse(
      `use_dora divides by the norms of ${matrix.role}, which is stored as ${type} and never built as a whole. Set use_dora: false, or leave it out with ignore.`,
    );
  if (merge && describeStorage(target) !== "dense")
    throw refuse(
      `merge: true needs dense weights, but ${matrix.role} is stored as ${describeStorage(target)}. Set merge: false to keep the adapters, or leave it out with ignore.`,
    );
}

/**
 * Returns the tensors of a model with new adapters: A is drawn from the seed, B is zero and magnitudes are the norms of the
 * outputs, so that the model computes what it did without them.
 */
export function createAdapters(
  { shape, tensors }: Pick<Checkpoint, "shape" | "tensors">,
  seed: number,
): Map<string, HostTensor> {
  const adapted = new Map<string, HostTensor>(
    parametersOf(shape).map((spec) => [
      spec.name,
      spec.adapter === true ? { shape: spec.shape, data: draw(spec, seed) } : tensors.get(spec.name)!,
    ]),
  );
  const source = createTensorSource(adapted);
  for (const { matrix, pieces, options } of listAdapted(shape)) {
    if (!options.use_dora) continue;
    const [base] = pieces as readonly [StoredMatrix];
    const weight = base.representation.materialize(source, base.matrix, base.options);
    adapted.set(`${matrix.name}.lora_magnitude_vector`, {
      shape: [matrix.outputs],
      data: Float32Array.from(computeOutputNorms(weight, matrix.outputs)),
    });
  }
  return adapted;
}

/** Adds the adapters of `adapted` to its weights, which are dense. `shape` is the model without adapters. */
export function mergeAdapters(
  adapted: Pick<Checkpoint, "shape" | "tensors">,
  shape: ModelShape,
): Map<string, HostTensor> {
  const source = createTensorSource(adapted.tensors);
  const merged = new Map(
    listAdapted(adapted.shape).map(({ matrix, representation, options }) => [
      weightName(matrix),
      {
        shape: weightShape(matrix),
        data: fromInOut(representation.materialize(source, matrix, options), matrix),
      },
    ]),
  );
  return new Map(
    parametersOf(shape).map(({ name }) => [name, merged.get(name) ?? adapted.tensors.get(name)!]),
  );
}

const createTensorSource =
  (tensors: Checkpoint["tensors"]): TensorSource =>
  (name) =>
    tensors.get(name)!.data as TensorData;

/** Refuses what would change the weights under the adapters. */
export function refuseAdapters(shape: ModelShape, what: string): void {
  if (!hasAdapters(shape)) return;
  throw new WorkbenchError(
    "unsupported",
    `${what} cannot be applied to a model with adapters, which belong to its weights as they are. Compress before the train step with lora, or set merge: true in it.`,
  );
}
