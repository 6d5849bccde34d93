/**
 * Matrix products for methods. Large ones run on the engine, which is up to a hundred times as fast as a loop; small ones
 * run as loops, which start at once.
 */
import type { Engine, Program } from "../../engine/engine";
import { dtypeOf, input } from "../../graph/op";
import { matmul } from "../../graph/ops/matmul";

export type Floats = Float32Array | Float64Array;

/** [m, k, n] of a product of [m, k] and [k, n]. */
export type ProductSizes = readonly [m: number, k: number, n: number];

export interface Transposes {
  /** A is stored as its transpose, [k, m]. */
  readonly transposeA?: boolean;
  /** B is stored as its transpose, [n, k]. */
  readonly transposeB?: boolean;
}

/** Products for methods, which await them. */
export interface Algebra {
  /**
   * Returns A·B [m, n] for A [m, k] and B [k, n], row-major, in the precision of the operands. Neither operand is
   * changed, and neither may change before the product is there.
   */
  multiply<T extends Floats>(a: T, b: T, sizes: ProductSizes, transposes?: Transposes): Promise<T>;
}

/** With fewer multiplications than this, a loop takes less time than a run of the engine and its share of a compilation. */
const engineThreshold = 2 ** 20;

/** Programs of recent shapes; a session takes about a millisecond to create and keeps memory for transposed operands. */
const keptPrograms = 48;

/** Products on an engine. Disposing it frees its programs, but not the engine. */
export class EngineAlgebra implements Algebra, AsyncDisposable {
  readonly #programs = new Map<string, Program>();
  /** One product at a time, so that none is running when its program is dropped. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly engine: Engine) {}

  multiply<T extends Floats>(a: T, b: T, sizes: ProductSizes, transposes: Transposes = {}): Promise<T> {
    const [m, k, n] = sizes;
    const fault = findSizeFault(a, b, sizes);
    if (fault !== undefined) return Promise.reject(fault);
    if (m * k * n < engineThreshold) return Promise.resolve(multiplyInLoop(a, b, sizes, transposes));
    const product = this.#last.then(() => this.#run(a, b, sizes, transposes));
    this.#last = product.catch(() => undefined);
    return product;
  }

  async #run<T extends Floats>(
    a: T,
    b: T,
    [m, k, n]: ProductSizes,
    { transposeA = false, transposeB = false }: Transposes,
  ): Promise<T> {
    const types = {
      a: { dtype: dtypeOf(a), shape: transposeA ? [k, m] : [m, k] },
      b: { dtype: dtypeOf(b), shape: transposeB ? [n, k] : [k, n] },
    };
    const key = `${types.a.dtype} ${m} ${k} ${n} ${transposeA} ${transposeB}`;
    const program =
      this.#programs.get(key) ??
      (await this.engine.compile({
        outputs: {
          product: matmul(
            input("a", types.a.shape, types.a.dtype),
            input("b", types.b.shape, types.b.dtype),
            { transposeA, transposeB },
          ),
        },
      }));
    // The most recent is last.
    this.#programs.delete(key);
    this.#programs.set(key, program);
    const [[oldest, dropped]] = this.#programs as unknown as [[string, Program]];
    if (this.#programs.size > keptPrograms) {
      this.#programs.delete(oldest);
      await dropped[Symbol.asyncDispose]();
    }
    using left = this.engine.upload(types.a, a);
    using right = this.engine.upload(types.b, b);
    const { product } = await program.run({ a: left, b: right });
    const data = (await product!.read()) as T;
    product![Symbol.dispose]();
    return data;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    for (const program of this.#programs.values()) await program[Symbol.asyncDispose]();
    this.#programs.clear();
  }
}

/** Products without an engine. */
export const loopAlgebra: Algebra = {
  multiply: async (a, b, sizes, transposes = {}) => {
    const fault = findSizeFault(a, b, sizes);
    if (fault !== undefined) throw fault;
    return multiplyInLoop(a, b, sizes, transposes);
  },
};

function findSizeFault(a: Floats, b: Floats, [m, k, n]: ProductSizes): Error | undefined {
  if (a.length === m * k && b.length === k * n && a.constructor === b.constructor) return undefined;
  const describe = (each: Floats) => `${each.constructor.name} of length ${each.length}`;
  return new Error(
    `A product of [${m}, ${k}] and [${k}, ${n}] cannot be computed from a ${describe(a)} and a ${describe(b)}.`,
  );
}

function multiplyInLoop<T extends Floats>(
  a: T,
  b: T,
  [m, k, n]: ProductSizes,
  { transposeA = false, transposeB = false }: Transposes,
): T {
  const create = (length: number) => new (a.constructor as new (length: number) => T)(length);
  if (transposeB) {
    // Rows of B become columns, so that the loop below runs along memory.
    const turned = create(b.length);
    for (let j = 0; j < n; j++) for (let l = 0; l < k; l++) turned[l * n + j] = b[j * k + l]!;
    b = turned;
  }
  const [rowStride, columnStride] = transposeA ? [1, m] : [k, 1];
  const row = new Float64Array(n);
  const out = create(m * n);
  for (let i = 0; i < m; i++) {
    row.fill(0);
    for (let l = 0; l < k; l++) {
      const left = a[i * rowStride + l * columnStride]!;
      if (left === 0) continue;
      for (let j = 0, from = l * n; j < n; j++, from++) row[j]! += left * b[from]!;
    }
    out.set(row, i * n);
  }
  return out;
}
