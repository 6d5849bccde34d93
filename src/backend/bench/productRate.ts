/** Measures the rate of a plain matrix product on this machine, the ceiling for every other rate. */
import type { Engine } from "../engine/engine";
import { input } from "../graph/op";
import { matmul } from "../graph/ops/matmul";

/** Large enough to be limited by arithmetic, small enough for a laptop: [2048, 1024] × [1024, 1024]. */
const [rows, inner, columns] = [2048, 1024, 1024];

export interface ProductRate extends AsyncDisposable {
  /** Measures the floating-point operations per second of one product. */
  measure(): Promise<number>;
}

export async function openProductRate(engine: Engine): Promise<ProductRate> {
  const left = input("left", [rows, inner]);
  const right = input("right", [inner, columns]);
  const program = await engine.compile({ outputs: { product: matmul(left, right) } });
  const filled = (shape: readonly [number, number]) =>
    engine.upload({ dtype: "float32", shape }, new Float32Array(shape[0] * shape[1]).fill(0.5));
  const feeds = { left: filled([rows, inner]), right: filled([inner, columns]) };
  return {
    async measure() {
      const startedAt = performance.now();
      const { product } = await program.run(feeds);
      await product!.read();
      const seconds = (performance.now() - startedAt) / 1000;
      product![Symbol.dispose]();
      return (2 * rows * inner * columns) / seconds;
    },
    async [Symbol.asyncDispose]() {
      for (const tensor of Object.values(feeds)) tensor[Symbol.dispose]();
      await program[Symbol.asyncDispose]();
    },
  };
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
