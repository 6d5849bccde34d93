/** Standard errors of the results of a task, as lm-evaluation-harness estimates them. */
import { computeMean } from "../../../statistics/resampling";
import { PythonRandom } from "./pythonRandom";

function computeDeviation(values: readonly number[]): number {
  const mean = computeMean(values);
  return Math.sqrt(values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (values.length - 1));
}

/** Undefined for a single value. */
export function computeMeanError(values: readonly number[]): number | undefined {
  return values.length < 2 ? undefined : computeDeviation(values) / Math.sqrt(values.length);
}

/** Of the mean over parts of the given sizes, from the error of each. */
export function poolErrors(errors: readonly number[], sizes: readonly number[]): number | undefined {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= sizes.length) return undefined;
  const variance =
    errors.reduce((sum, error, i) => sum + (sizes[i]! - 1) * error ** 2 * sizes[i]!, 0) /
    (total - sizes.length);
  return Math.sqrt(variance / total);
}

/** Draws of a stream of the harness, each with its own seed. */
const streamLength = 1000;

/** Deviation of a statistic over bootstrap resamples; undefined for a single value or no resamples. */
export function computeBootstrapError(
  values: readonly number[],
  statistic: (values: readonly number[]) => number,
  resamples: number,
): number | undefined {
  if (values.length < 2 || resamples < 2) return undefined;
  const length = Math.min(streamLength, resamples);
  const statistics: number[] = [];
  for (let stream = 0; stream < Math.floor(resamples / length); stream++) {
    const random = new PythonRandom(stream);
    for (let i = 0; i < length; i++)
      statistics.push(statistic(values.map(() => values[Math.floor(random.uniform() * values.length)]!)));
  }
  return computeDeviation(statistics);
}
