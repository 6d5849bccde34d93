/** The losses and the speed of a run, gathered from its metric lines as they come. */
import type { MetricLine } from "../protocol/run";

export interface Point {
  readonly step: number;
  readonly value: number;
}

/** Lines that the speed is taken over. */
const speedWindow = 20;

export class RunHistory {
  train: Point[] = [];
  evaluation: Point[] = [];
  private recent: { tokens: number; seconds: number }[] = [];
  private reportedSpeed: number | undefined;

  clear(): void {
    [this.train, this.evaluation, this.recent, this.reportedSpeed] = [[], [], [], undefined];
  }

  add(lines: readonly MetricLine[]): void {
    for (const line of lines) {
      const { step, tokens, seconds } = line;
      const [train, evaluation] = [line["train/loss"], line["eval/loss"]];
      if (train !== undefined && Number.isFinite(train)) this.train.push({ step, value: train });
      if (evaluation !== undefined && Number.isFinite(evaluation))
        this.evaluation.push({ step, value: evaluation });
      this.reportedSpeed = line["train/tokens_per_second"] ?? this.reportedSpeed;
      if (tokens === undefined) continue;
      this.recent.push({ tokens, seconds });
      if (this.recent.length > speedWindow) this.recent.shift();
    }
  }

  /** The value that the run reports, else one derived from its token counts. */
  get tokensPerSecond(): number | undefined {
    if (this.reportedSpeed !== undefined) return this.reportedSpeed;
    const [first, last] = [this.recent[0], this.recent.at(-1)];
    if (first === undefined || last === undefined || last.seconds <= first.seconds) return undefined;
    const speed = (last.tokens - first.tokens) / (last.seconds - first.seconds);
    return speed > 0 ? speed : undefined;
  }
}
