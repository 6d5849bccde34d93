/** Times text generation with and without a key-value cache, alternating between the two token by token. */
import type { Engine } from "../engine/engine";
import { type NextToken, openWithoutCache, CachedNextToken } from "../evaluation/nextToken";
import { initialize } from "../models/initialize";
import { dimensionsOf, createShape } from "../models/model";
import { median } from "./median";
import { countBytesPerToken, measureReadRate } from "./memoryLimit";

export interface GenerationRates {
  readonly promptTokensPerSecond: number;
  /** Excludes the first new token. */
  readonly newTokensPerSecond: number;
}

export interface GenerationSpeed {
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly cached: GenerationRates;
  readonly uncached: GenerationRates;
  /** New tokens per second with the cache / without it. */
  readonly ratio: number;
  /** New tokens per second at which reading the weights takes all the time. */
  readonly memoryLimit: number;
  /** Bytes per second. */
  readonly readRate: number;
}

/** Number of times the prompt is read. The first is not counted, because it also compiles the programs. */
const readings = 4;

export async function measureGeneration(
  engine: Engine,
  config: Readonly<Record<string, unknown>>,
  report?: (line: string) => void,
): Promise<GenerationSpeed> {
  const shape = createShape(config);
  const { context: slots, vocabulary } = dimensionsOf(shape);
  const promptTokens = Math.floor(slots / 2);
  const newTokens = Math.floor(slots / 4);
  const model = { shape, tensors: initialize(shape, 0) };
  const sizes = { batch: 1, slots };
  await using cached = new CachedNextToken(engine, model, sizes);
  await using uncached = await openWithoutCache(engine, model, sizes);
  const writers: readonly NextToken[] = [cached, uncached];
  const prompt = (first: number) =>
    Array.from({ length: promptTokens }, (_, i) => (first + 31 * i) % vocabulary);

  const reading: number[][] = [[], []];
  for (let time = 0; time < readings; time++)
    for (const [i, writer] of writers.entries()) {
      cached.forget();
      const elapsed = await timeNextToken(writer, prompt(time));
      if (time > 0) reading[i]!.push(elapsed);
    }
  const writing: number[][] = [[], []];
  const ids = prompt(readings - 1);
  for (let step = 0; step < newTokens; step++) {
    ids.push((step * 7) % vocabulary);
    // Alternate, so that a drift in the machine's speed affects both. The first step compiles its program.
    for (const [i, writer] of writers.entries()) {
      const elapsed = await timeNextToken(writer, ids);
      if (step > 0) writing[i]!.push(elapsed);
    }
  }
  const [withIt, without] = writers.map((_, i) => ({
    promptTokensPerSecond: promptTokens / median(reading[i]!),
    newTokensPerSecond: 1 / median(writing[i]!),
  })) as [GenerationRates, GenerationRates];
  const ratio = withIt.newTokensPerSecond / without.newTokensPerSecond;
  report?.(
    `writing: ${withIt.newTokensPerSecond.toFixed(1)} tokens/s, ${ratio.toFixed(1)} times without a cache`,
  );
  const readRate = await measureReadRate(engine);
  const memoryLimit = readRate / countBytesPerToken(shape, promptTokens + newTokens / 2);
  return { promptTokens, newTokens, cached: withIt, uncached: without, ratio, memoryLimit, readRate };
}

/** Measures the seconds that the next token takes. */
async function timeNextToken(writer: NextToken, ids: readonly number[]): Promise<number> {
  const startedAt = performance.now();
  await writer.logits([{ ids, isOpen: true }], new AbortController().signal);
  return (performance.now() - startedAt) / 1000;
}
