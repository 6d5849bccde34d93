/** Compares text generation with PyTorch in pairs, and both with the limit of the memory's speed. */
import * as z from "zod";
import type { Engine } from "../engine/engine";
import { resolveThreadCount } from "../engine/runtime";
import { CachedNextToken } from "../evaluation/nextToken";
import { initialize } from "../models/initialize";
import { dimensionsOf, type ModelShape } from "../models/model";
import { withWeights } from "./againstTorch";
import { median } from "./median";
import { countBytesPerToken, measureReadRate } from "./memoryLimit";
import { benchSeed } from "./timedTraining";
import { TorchPeer } from "./torchPeer";

/** One text: seconds until its first new token, and of each later one on average. */
const writingSchema = z.object({
  promptSeconds: z.number(),
  secondsPerToken: z.number(),
  ids: z.array(z.number()),
});
type Writing = z.infer<typeof writingSchema>;

export interface GenerationComparison {
  readonly torch: string;
  readonly threads: number;
  /** What writes in PyTorch: `generate` of transformers, or a plain model with a cache. */
  readonly model: string;
  readonly promptTokens: number;
  readonly newTokens: number;
  /** New tokens per second after the first (medians). */
  readonly lathe: number;
  readonly torchRate: number;
  /** Median over the pairs of PyTorch's seconds / Lathe's: above 1, Lathe is faster. */
  readonly ratio: number;
  readonly promptRatio: number;
  /** Whether both write the same text. */
  readonly sameText: boolean;
  /** New tokens per second at which reading the weights takes all the time. */
  readonly memoryLimit: number;
  /** Bytes per second. */
  readonly readRate: number;
}

export interface GenerationRequest {
  readonly shape: ModelShape;
  readonly pairs: number;
  /** Whether to compare with plain PyTorch even if transformers is installed. */
  readonly plain?: boolean;
}

/** Both write the most likely tokens after the same prompt. */
export async function compareGeneration(
  engine: Engine,
  python: string,
  { shape, pairs, plain = false }: GenerationRequest,
  report: (line: string) => void,
): Promise<GenerationComparison> {
  const { context: slots, vocabulary } = dimensionsOf(shape);
  const promptTokens = Math.floor(slots / 2);
  const newTokens = Math.floor(slots / 4);
  const prompt = Array.from({ length: promptTokens }, (_, i) => (31 * i) % vocabulary);
  return await withWeights(shape, async (weights) => {
    const { peer, description } = await TorchPeer.open(python, {
      task: "generate",
      threads: resolveThreadCount(undefined),
      config: shape.config,
      weights,
      prompt,
      newTokens,
      plain,
    });
    await using _ = peer;
    const model = { shape, tensors: initialize(shape, benchSeed) };
    await using writer = new CachedNextToken(engine, model, { batch: 1, slots });
    const ours: Writing[] = [];
    const theirs: Writing[] = [];
    // The first pair compiles and is not counted.
    for (let pair = 0; pair <= pairs; pair++) {
      const [own, other] = [await write(writer, prompt, newTokens), await peer.run(writingSchema)];
      if (pair === 0) continue;
      ours.push(own);
      theirs.push(other);
      const format = ({ secondsPerToken }: Writing) => `${(1 / secondsPerToken).toFixed(1)} tokens/s`;
      report(`pair ${pair}: Lathe ${format(own)}, PyTorch ${format(other)}`);
    }
    const readRate = await measureReadRate(engine);
    const compare = (of: (writing: Writing) => number) =>
      median(theirs.map((each, pair) => of(each) / of(ours[pair]!)));
    const rate = (all: readonly Writing[]) => 1 / median(all.map(({ secondsPerToken }) => secondsPerToken));
    return {
      ...description,
      promptTokens,
      newTokens,
      lathe: rate(ours),
      torchRate: rate(theirs),
      ratio: compare(({ secondsPerToken }) => secondsPerToken),
      promptRatio: compare(({ promptSeconds }) => promptSeconds),
      sameText: ours.every(({ ids }, pair) => ids.join() === theirs[pair]!.ids.join()),
      memoryLimit: readRate / countBytesPerToken(shape, promptTokens + newTokens / 2),
      readRate,
    };
  });
}

async function write(
  writer: CachedNextToken,
  prompt: readonly number[],
  newTokens: number,
): Promise<Writing> {
  const { signal } = new AbortController();
  writer.forget();
  const ids = [...prompt];
  const times = [performance.now()];
  for (let i = 0; i < newTokens; i++) {
    const logits = await writer.logits([{ ids, isOpen: true }], signal);
    ids.push(logits.indexOf(logits.reduce((a, b) => Math.max(a, b))));
    times.push(performance.now());
  }
  const [start, first] = times as [number, number];
  return {
    promptSeconds: (first - start) / 1000,
    secondsPerToken: (times.at(-1)! - first) / 1000 / (newTokens - 1),
    ids: ids.slice(prompt.length),
  };
}
