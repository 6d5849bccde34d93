/** Histograms of several models over the same edges, which a few outliers do not stretch. */
import type { Distribution } from "../../protocol/service/models";
import { iterateWithPauses } from "./iterateWithPauses";
import type { RoleValues } from "./roleValues";

/** Values of one model from which the edges are computed. */
const maxSampleSize = 2 ** 16;
/** Share of the values that may be beyond the edges on each side, before the margin. */
const tail = 0.001;

interface Summary {
  readonly count: number;
  readonly notFinite: number;
  readonly zeros: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly sample: readonly number[];
}

export async function computeDistributions(
  roles: readonly RoleValues[],
  bins: number,
  signal: AbortSignal,
): Promise<readonly Distribution[]> {
  const summaries: Summary[] = [];
  for (const role of roles) summaries.push(await summarize(role, signal));
  const [low, high] = findRange(summaries);
  const edges = Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins);
  const distributions: Distribution[] = [];
  for (const [i, role] of roles.entries()) {
    const { sample: _, notFinite, ...summary } = summaries[i]!;
    const spread = await computeHistogram(role, { low, high, bins, mean: summary.mean }, signal);
    distributions.push({ edges, ...spread, ...summary, ...(notFinite === 0 ? {} : { notFinite }) });
  }
  return distributions;
}

async function summarize(role: RoleValues, signal: AbortSignal): Promise<Summary> {
  let [count, notFinite, zeros, sum] = [0, 0, 0, 0];
  let [min, max] = [Infinity, -Infinity];
  const sample: number[] = [];
  const stride = Math.max(1, (role.rows * role.columns) / maxSampleSize);
  // Steps of varying length, since even steps could hit the same column repeatedly.
  let [next, seed] = [0, 1];
  for await (const { values } of iterateWithPauses(role.lines(), signal))
    for (const value of values) {
      if (!Number.isFinite(value)) {
        notFinite++;
        continue;
      }
      sum += value;
      if (value === 0) zeros++;
      if (value < min) min = value;
      if (value > max) max = value;
      if (count++ < next) continue;
      sample.push(value);
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      next = stride === 1 ? 0 : count + (seed / 2 ** 32) * 2 * (stride - 1);
    }
  if (count === 0) [min, max] = [0, 0];
  return { count, notFinite, zeros, mean: count === 0 ? 0 : sum / count, min, max, sample };
}

/** Nearly all values of every model, with a margin, but nothing beyond the extremes. */
function findRange(summaries: readonly Summary[]): readonly [number, number] {
  const min = Math.min(...summaries.map((each) => each.min));
  const max = Math.max(...summaries.map((each) => each.max));
  let [low, high] = [Infinity, -Infinity];
  for (const { sample } of summaries) {
    const sorted = Float64Array.from(sample).sort();
    if (sorted.length === 0) continue;
    low = Math.min(low, sorted[Math.floor(tail * (sorted.length - 1))]!);
    high = Math.max(high, sorted[Math.ceil((1 - tail) * (sorted.length - 1))]!);
  }
  const margin = (high - low) / 4;
  const range = [Math.max(min, low - margin), Math.min(max, high + margin)] as const;
  if (range[1] > range[0]) return range;
  // Almost all values are equal: the others determine the width.
  if (max > min) return [min, max];
  const width = Math.abs(min) / 2 || 1;
  return [min - width, min + width];
}

interface HistogramRange {
  readonly low: number;
  readonly high: number;
  readonly bins: number;
  readonly mean: number;
}

async function computeHistogram(
  role: RoleValues,
  { low, high, bins: count, mean }: HistogramRange,
  signal: AbortSignal,
): Promise<Pick<Distribution, "bins" | "deviation">> {
  const bins = new Array<number>(count).fill(0);
  const scale = count / (high - low);
  let [squares, values] = [0, 0];
  for await (const line of iterateWithPauses(role.lines(), signal))
    for (const value of line.values) {
      if (!Number.isFinite(value)) continue;
      const bin = Math.floor((value - low) * scale);
      bins[bin < 0 ? 0 : bin >= count ? count - 1 : bin]!++;
      squares += (value - mean) ** 2;
      values++;
    }
  return { bins, deviation: values === 0 ? 0 : Math.sqrt(squares / values) };
}
