/** Measures the speedup of a grouped block over the dense layer that it replaces, for every layout, in one process. */
import { gradients } from "../graph/autodiff";
import type { Engine, Program, Tensors } from "../engine/engine";
import { input, parameter, type Shape, sizeOf, type Value } from "../graph/op";
import { mul } from "../graph/ops/elementwise";
import { matmul } from "../graph/ops/matmul";
import { sum } from "../graph/ops/reduction";
import { listInputs } from "../graph/graph";
import { disposeAll } from "../training/evaluateLoss";
import { layouts } from "./groupedLayouts";
import { median } from "./median";

export const passes = ["forward", "forward and backward"] as const;

export interface GroupedRow {
  readonly width: number;
  readonly rows: number;
  readonly pass: (typeof passes)[number];
  readonly denseMilliseconds: number;
  /** Time of the dense layer / time of the layout, median over the rounds. */
  readonly speedup: Readonly<Record<string, number>>;
}

export interface GroupedSizes {
  readonly widths: readonly number[];
  readonly rows: readonly number[];
  readonly rounds: number;
}
/** The widths of a small model and of kphi-3's projections. */
export const groupedSizes: GroupedSizes = { widths: [768, 3072], rows: [256, 4096], rounds: 7 };
const groups = 12;

export async function* measureGroupedBlock(engine: Engine, sizes = groupedSizes): AsyncGenerator<GroupedRow> {
  for (const width of sizes.widths)
    for (const rows of sizes.rows)
      for (const pass of passes) yield await measure(engine, { width, rows, pass }, sizes.rounds);
}

type BenchmarkCase = Pick<GroupedRow, "width" | "rows" | "pass">;

async function measure(engine: Engine, testCase: BenchmarkCase, rounds: number): Promise<GroupedRow> {
  const { width, rows } = testCase;
  const x = parameter("x", [rows, width]);
  const dense = await prepare(
    engine,
    testCase,
    matmul(x, parameter("w", [width, width]), { transposeB: true }),
  );
  const n = width / groups;
  const [a, b] = [parameter("a", [groups, n, n]), parameter("b", [groups, n, n])];
  const blocks: Record<string, Prepared> = {};
  for (const [name, layout] of Object.entries(layouts))
    blocks[name] = await prepare(engine, testCase, layout(x, a, b, { rows, groups, n, o: n }));
  const all = [dense, ...Object.values(blocks)];
  for (const each of all) await timeProgram(each); // The first run of a program allocates its memory.
  const denseTimes: number[] = [];
  const ratios: Record<string, number[]> = Object.fromEntries(Object.keys(blocks).map((name) => [name, []]));
  // Alternate, so that a drift in the machine's speed affects all of them.
  for (let round = 0; round < rounds; round++) {
    const seconds = await timeProgram(dense);
    denseTimes.push(seconds);
    for (const [name, block] of Object.entries(blocks))
      ratios[name]!.push(seconds / (await timeProgram(block)));
  }
  for (const { program, feeds } of all) {
    disposeAll(feeds);
    await program[Symbol.asyncDispose]();
  }
  return {
    ...testCase,
    denseMilliseconds: median(denseTimes) * 1000,
    speedup: Object.fromEntries(Object.entries(ratios).map(([name, each]) => [name, median(each)])),
  };
}

interface Prepared {
  readonly program: Program;
  readonly feeds: Tensors;
}

async function prepare(engine: Engine, { pass }: BenchmarkCase, y: Value): Promise<Prepared> {
  const outputs = pass === "forward" ? { y } : backward(y);
  const graph = { outputs };
  const program = await engine.compile(graph);
  const feeds = Object.fromEntries(
    listInputs(graph).map(({ name, type }) => [name, engine.upload(type, createNumbers(type.shape))]),
  );
  return { program, feeds };
}

/** Adds what a training step computes for the layer: the gradients of its input and weights. */
function backward(y: Value): Record<string, Value> {
  const loss = sum(mul(y, input("dy", y.type.shape)), {
    axes: y.type.shape.map((_, axis) => axis),
    keepDims: false,
  });
  const wrt = listInputs({ outputs: { y } });
  const inputGradients = gradients(loss, wrt);
  return { loss, ...Object.fromEntries(wrt.map(({ name }, i) => [`d${name}`, inputGradients[i]!])) };
}

function createNumbers(shape: Shape): Float32Array {
  return Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 2654435761) % 1000) / 1000 - 0.5);
}

async function timeProgram({ program, feeds }: Prepared): Promise<number> {
  const startedAt = performance.now();
  const outputs = await program.run(feeds);
  for (const each of Object.values(outputs)) await each.read();
  const seconds = (performance.now() - startedAt) / 1000;
  disposeAll(outputs);
  return seconds;
}
