/** Ends a training once its loss has stopped improving, counted in evaluations as Hugging Face's callback does. */
import type { EarlyStoppingOptions } from "../../schema/experiment";
import type { TrainingState } from "../checkpoints/checkpoint";

type Progress = NonNullable<TrainingState["early_stopping"]>;

export class EarlyStopping {
  private progress: Progress;

  constructor(
    private readonly options: EarlyStoppingOptions,
    progress: Progress | undefined,
  ) {
    this.progress = progress ?? { waited: 0, sum: 0, steps: 0 };
  }

  get state(): Progress {
    return this.progress;
  }

  /** The training loss of a step; between evaluations it is averaged, because a single batch is noise. */
  add(loss: number): void {
    const { sum, steps } = this.progress;
    this.progress = { ...this.progress, sum: sum + loss, steps: steps + 1 };
  }

  /** Takes an evaluation into account. */
  judge(step: number, evaluation: number): void {
    const { metric, min_delta: least } = this.options;
    const { best, waited, sum, steps } = this.progress;
    const loss = metric === "eval/loss" ? evaluation : sum / steps;
    const isBetter = best === undefined || loss < best.loss - least;
    this.progress = {
      best: isBetter ? { step, loss } : best,
      waited: isBetter ? 0 : waited + 1,
      sum: 0,
      steps: 0,
    };
  }

  /** Why the training has to end, or undefined if it continues. */
  get reason(): string | undefined {
    const { metric, patience, min_delta: least } = this.options;
    const { best, waited } = this.progress;
    if (waited < patience || best === undefined) return undefined;
    const margin = least === 0 ? "" : ` by more than ${least}`;
    return `${metric} has not improved${margin} in ${patience} evaluation${patience === 1 ? "" : "s"} since step ${best.step}, where it was ${best.loss.toFixed(4)}`;
  }
}
