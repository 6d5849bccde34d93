/** Measures the rate of matrix products on this machine, the ceiling for every other rate. */
import type { Engine, Program, Tensors } from "../engine/engine";
import { expandComposites } from "../graph/expand";
import { type Graph, sortTopologically } from "../graph/graph";
import { input, type Shape, sizeOf, type Value } from "../graph/op";
import { affineOp, matmul, type MatmulAttrs, matmulOp } from "../graph/ops/matmul";
import { slice } from "../graph/ops/movement";
import { softmaxMatmul } from "../graph/ops/normalization";

/** One matrix product, with the shapes and transposes that it has in a graph. */
export interface Product {
  readonly left: Shape;
  readonly right: Shape;
  readonly attrs: MatmulAttrs;
  /** float32 [n], if a bias is added to each row. */
  readonly hasBias: boolean;
}

/** Large enough to be limited by arithmetic, small enough for a laptop. */
export const plainProduct: Product = {
  left: [2048, 1024],
  right: [1024, 1024],
  attrs: { transposeA: false, transposeB: false, scale: 1 },
  hasBias: false,
};

/** The different products of a graph, in the order of the graph. */
export function listProducts(graph: Graph): Product[] {
  const products = new Map<string, Product>();
  for (const value of sortTopologically(Object.values(expandComposites(graph).outputs))) {
    const product = toProduct(value);
    if (product !== undefined) products.set(JSON.stringify(product), product);
  }
  return [...products.values()];
}

function toProduct(value: Value): Product | undefined {
  if (value.kind !== "apply") return undefined;
  const { op, inputs, attrs } = value;
  if (op !== matmulOp && op !== affineOp && op !== softmaxMatmul) return undefined;
  const [left, right] = inputs.map(({ type }) => type.shape) as [Shape, Shape];
  return {
    left,
    right,
    attrs: op === softmaxMatmul ? plainProduct.attrs : (attrs as MatmulAttrs),
    hasBias: op === affineOp,
  };
}

/** `[2048, 384]ᵀ × [2048, 1536]` */
export function describeProduct({ left, right, attrs }: Product): string {
  const describe = (shape: Shape, turned: boolean) => `[${shape.join(", ")}]${turned ? "ᵀ" : ""}`;
  return `${describe(left, attrs.transposeA)} × ${describe(right, attrs.transposeB)}`;
}

/** Floating-point operations; a multiply-add counts as two. */
export function countFlops({ left, right, attrs }: Product): number {
  const result = matmulOp.infer([floats(left), floats(right)], attrs);
  return 2 * left.at(attrs.transposeA ? -2 : -1)! * sizeOf(result.shape);
}

const floats = (shape: Shape) => ({ dtype: "float32", shape }) as const;

/** A run of a small product is repeated until it does this much, so that starting the run does not count. */
const flopsPerRun = 1e9;
const maxRepeats = 32;

/** A product that is ready to be measured. */
export class ProductRate implements AsyncDisposable {
  private constructor(
    private readonly program: Program,
    private readonly feeds: Tensors,
    private readonly flops: number,
  ) {}

  static async open(engine: Engine, product: Product): Promise<ProductRate> {
    const { left, right, attrs, hasBias } = product;
    const flops = countFlops(product);
    const repeats = Math.max(1, Math.min(maxRepeats, Math.ceil(flopsPerRun / flops)));
    const b = input("right", right);
    const columns = right.at(attrs.transposeB ? -2 : -1)!;
    const bias = input("bias", [columns]);
    const outputs: Record<string, Value> = {};
    for (let i = 0; i < repeats; i++) {
      // Each product has a left operand of its own, because the runtime computes equal ones once.
      const a = input(`left${i}`, left);
      const result = hasBias ? affineOp(a, b, bias, attrs) : matmul(a, b, attrs);
      // Only one element leaves the runtime, so that the product is written to memory that earlier runs have used.
      outputs[`product${i}`] = result.type.shape.reduce(
        (part, size, axis) => (size === 1 ? part : slice(part, { axis, start: 0, end: 1 })),
        result,
      );
    }
    const program = await engine.compile({ outputs });
    const upload = (shape: Shape) => engine.upload(floats(shape), new Float32Array(sizeOf(shape)).fill(0.5));
    const feeds = Object.fromEntries(
      program.inputs.map((name) => [
        name,
        upload(name === "right" ? right : name === "bias" ? [columns] : left),
      ]),
    );
    return new ProductRate(program, feeds, repeats * flops);
  }

  /** Floating-point operations per second of one run. */
  async measure(): Promise<number> {
    const startedAt = performance.now();
    const results = Object.values(await this.program.run(this.feeds));
    await results[0]!.read();
    const seconds = (performance.now() - startedAt) / 1000;
    for (const tensor of results) tensor[Symbol.dispose]();
    return this.flops / seconds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const tensor of Object.values(this.feeds)) tensor[Symbol.dispose]();
    await this.program[Symbol.asyncDispose]();
  }
}

/** The best rate of several runs of one product, after an untimed one. */
export async function measureProduct(engine: Engine, product: Product, runs = 5): Promise<number> {
  await using rate = await ProductRate.open(engine, product);
  await rate.measure();
  let best = 0;
  for (let i = 0; i < runs; i++) best = Math.max(best, await rate.measure());
  return best;
}

/** The product of a graph that runs fastest, and its rate. */
export interface Ceiling {
  readonly product: Product;
  readonly flopsPerSecond: number;
}

/** The best of at least five runs of each product of a graph, in rounds that alternate with what is compared with them. */
export class CeilingSearch {
  #best: Ceiling | undefined;
  readonly #products: readonly Product[];
  readonly #runs: number;

  /** `rounds` is how often `measure` will be called. */
  constructor(
    private readonly engine: Engine,
    graph: Graph,
    rounds: number,
  ) {
    this.#products = listProducts(graph);
    this.#runs = Math.max(2, Math.ceil(5 / rounds));
  }

  /** Runs every product. Only one of them is in memory at a time. */
  async measure(): Promise<void> {
    for (const product of this.#products) {
      const flopsPerSecond = await measureProduct(this.engine, product, this.#runs);
      if (this.#best === undefined || flopsPerSecond > this.#best.flopsPerSecond)
        this.#best = { product, flopsPerSecond };
    }
  }

  get best(): Ceiling {
    if (this.#best === undefined) throw new Error("No product has been measured.");
    return this.#best;
  }
}
