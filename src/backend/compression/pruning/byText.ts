/** What methods share that read text layer by layer to choose which weights of a matrix to set to zero. */
import type { HostTensor } from "../../checkpoints/safetensors";
import type { ModelShape } from "../../models/model";
import type { Tap } from "../calibration/observe";
import { refuseEmbeddings } from "../denseTargets";
import type { FormName } from "../form";
import {
  type CompressedTarget,
  compressLayerwise,
  fillLayerwise,
  type LayerwiseCalibration,
  type Statistics,
} from "../layerwise";
import { defineMethod, type Lab, type Method } from "../method";
import type { Target } from "../targets";
import { maskCount } from "./maskCount";
import { distributeSparsity, planProfile, type ProfileOptions } from "./outlierShares";
import { decidePruning, type Pruning, type PruningOptions } from "./pruning";
import { maskSmallest, type ScoredMatrix } from "./smallest";

interface Options extends PruningOptions, Partial<ProfileOptions> {
  /** Left out by methods that have one form. */
  readonly as?: FormName | undefined;
  readonly calibration: LayerwiseCalibration;
}

/** What `prune` gets besides a target and its statistics. */
export interface PruningRun<O> extends Omit<Pruning, "targets"> {
  readonly settings: O;
  /** The number of weights of the target to set to zero, which `sparsity_profile` decides. */
  readonly dropped: number;
  readonly lab: Lab;
}

type Frame<O> = Pick<Method<O>, "title" | "options" | "samples"> & {
  readonly paper: string;
  /** Where weights are compared if `scope` is left out. */
  readonly scope: "row" | "layer";
  /** The statistics of the inputs that `prune` needs. */
  readonly tap: (settings: O) => Tap;
  /** Prunes one matrix. `tensors` has the weights to approximate, and the mask of a matrix that was pruned before. */
  readonly prune: (
    target: Target,
    tensors: ReadonlyMap<string, HostTensor>,
    statistics: Statistics,
    run: PruningRun<O>,
  ) => Promise<CompressedTarget> | CompressedTarget;
};

/** Defines a method that plans as every pruning does, observes text layer by layer and prunes one matrix at a time. */
export function definePruningByText<O extends Options>({
  title,
  paper,
  options,
  samples,
  scope,
  tap,
  prune,
}: Frame<O>): Method<O> {
  const decide = (shape: ModelShape, settings: O) => {
    const pruning = decidePruning(title, shape, settings, scope);
    refuseEmbeddings(title, pruning.targets);
    return pruning;
  };
  return defineMethod<O>({
    title,
    paper,
    options,
    rate: "sparsity",
    needs: () => ["text"],
    samples,

    plan: (before, settings) => planProfile(title, before, decide(before, settings), fillProfile(settings)),

    async apply(before, settings, lab) {
      const pruning = decide(before.shape, settings);
      const { targets, ...rest } = pruning;
      const { calibration } = settings;
      const dropped = await distributeSparsity(before, pruning, fillProfile(settings), calibration, lab);
      return compressLayerwise(
        before,
        targets,
        tap(settings),
        fillLayerwise(settings.as ?? "published", calibration),
        lab,
        (target, tensors, statistics) =>
          prune(target, tensors, statistics, {
            ...rest,
            settings,
            dropped: dropped[targets.indexOf(target)]!,
            lab,
          }),
      );
    },
  });
}

const uniform: ProfileOptions = { sparsity_profile: "uniform", owl_m: 0, owl_lmbda: 0 };

/** The profile of methods without these options is uniform. */
const fillProfile = (settings: Partial<ProfileOptions>): ProfileOptions => ({ ...uniform, ...settings });

/** Returns the mask of a matrix without the weights of the lowest scores, in the order of the stored tensor. */
export function maskLowest(
  scored: ScoredMatrix,
  { within, sparsity, dropped }: Pick<PruningRun<unknown>, "within" | "sparsity" | "dropped">,
): Uint8Array {
  return within === "row" || within === "layer"
    ? maskCount(scored, within, dropped)
    : maskSmallest([scored], within, sparsity)[0]!;
}
