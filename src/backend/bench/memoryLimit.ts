/** How fast text can be generated at most: each new token reads every weight from memory once. */
import type { Engine } from "../engine/engine";
import type { Graph } from "../graph/graph";
import { input, sizeOf } from "../graph/op";
import { matmul } from "../graph/ops/matmul";
import { sumSquares } from "../graph/ops/reduction";
import { dimensionsOf, type ModelShape } from "../models/model";
import { countMultipliedParameters } from "./trainingSpeed";

/** 128 MiB, more than processors cache. */
const table = [4096, 8192] as const;
const runs = 6;

/** Bytes read per second by the fastest of two operations that read a large table once. */
export async function measureReadRate(engine: Engine): Promise<number> {
  const weights = input("weights", table);
  const vector = input("vector", [1, table[0]]);
  const graphs: readonly Graph[] = [
    { outputs: { result: matmul(vector, weights) } },
    { outputs: { result: sumSquares(weights, { axes: [1], keepDims: false }) } },
  ];
  const upload = (shape: readonly number[]) =>
    engine.upload({ dtype: "float32", shape }, new Float32Array(sizeOf(shape)).fill(0.5));
  using weightTensor = upload(table);
  using vectorTensor = upload([1, table[0]]);
  let best = 0;
  for (const graph of graphs) {
    await using program = await engine.compile(graph);
    const feeds = program.inputs.includes("vector")
      ? { weights: weightTensor, vector: vectorTensor }
      : { weights: weightTensor };
    for (let run = 0; run < runs; run++) {
      const startedAt = performance.now();
      const { result } = await program.run(feeds);
      await result!.read();
      const seconds = (performance.now() - startedAt) / 1000;
      result![Symbol.dispose]();
      best = Math.max(best, (4 * sizeOf(table)) / seconds);
    }
  }
  return best;
}

/** Bytes that one new token reads: float32 weights, and the keys and values of the tokens before it. */
export function countBytesPerToken(shape: ModelShape, context: number): number {
  const { layers, kvHeads, headDim } = dimensionsOf(shape);
  return 4 * (countMultipliedParameters(shape) + 2 * layers * kvHeads * headDim * context);
}
