/** The next token with and without a cache: the same logits, token by token, on every device. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { webgpuSkipReason } from "../../support/webgpu";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { testDevice } from "../../support/device";
import type { Subject } from "../../../src/backend/evaluation/metric";
import {
  buildCachedForward,
  type NextToken,
  openWithoutCache,
  CachedNextToken,
} from "../../../src/backend/evaluation/nextToken";
import { findMostLikely } from "../../../src/backend/evaluation/sampling";
import { listInputs } from "../../../src/backend/graph/graph";
import { sizeOf } from "../../../src/backend/graph/op";
import magnitude from "../../../src/backend/methods/magnitude";
import { dimensionsOf } from "../../../src/backend/models/model";
import { uploadAll } from "../../../src/backend/training/feeds";
import { computeRelativeError } from "../../support/sampleValues";
import { drawModelTensors, createTinyShape } from "../../support/subject";
import { plainLab } from "../../support/lab";

type Model = Pick<Subject, "shape" | "tensors">;

function model(family: string, changes: Readonly<Record<string, unknown>> = {}): Model {
  const shape = createTinyShape(family, changes);
  return { shape, tensors: drawModelTensors(shape, 7) };
}

/** Every matrix has half of its weights masked. */
function masked({ shape, tensors }: Model): Promise<Model> {
  return magnitude.apply({ shape, tensors }, magnitude.options.parse({ sparsity: 0.5 }), plainLab);
}

const models: Readonly<Record<string, () => Model | Promise<Model>>> = {
  gpt2: () => model("gpt2"),
  "llama, two query heads to a key": () => model("llama"),
  "llama, tied": () => model("llama", { tie_word_embeddings: true }),
  phi3: () => model("phi3"),
  "phi3, window of 5": () => model("phi3", { sliding_window: 5 }),
  kphi3: () => model("kphi3"),
  "gpt2, masked": () => masked(model("gpt2")),
  "llama, masked": () => masked(model("llama")),
  "phi3, masked": () => masked(model("phi3")),
};

/** The other models cover the differences of a device; each graph takes SwiftShader a second. */
const onProcessorOnly = new Set(["llama, tied", "gpt2, masked", "phi3, masked"]);

const prompts = [[3, 1, 4, 1, 5, 9, 2, 6], [5], [3, 5, 8]];

interface Trace {
  readonly logits: readonly Float32Array[];
  readonly ids: readonly (readonly number[])[];
}

/** Appends the most likely token to each text repeatedly; the second text ends early. */
async function greedy(next: NextToken, steps: number): Promise<Trace> {
  const texts = prompts.map((ids) => ({ ids: [...ids], isOpen: true }));
  const logits: Float32Array[] = [];
  for (let step = 0; step < steps; step++) {
    const all = await next.logits(texts, new AbortController().signal);
    const width = all.length / texts.length;
    texts.forEach(({ ids, isOpen }, i) => {
      if (!isOpen) return;
      const own = all.slice(i * width, (i + 1) * width);
      logits.push(own);
      ids.push(findMostLikely(own));
    });
    texts[1]!.isOpen = step < 4;
  }
  return { logits, ids: texts.map(({ ids }) => ids) };
}

async function compare(engine: Engine, given: Model, slots: number, steps: number): Promise<void> {
  const sizes = { batch: prompts.length, slots };
  await using plain = await openWithoutCache(engine, given, sizes);
  await using cached = new CachedNextToken(engine, given, sizes);
  const [wanted, got] = [await greedy(plain, steps), await greedy(cached, steps)];
  expect(got.ids).toEqual(wanted.ids);
  expect(got.logits).toHaveLength(wanted.logits.length);
  got.logits.forEach((own, i) =>
    expect(computeRelativeError(own, wanted.logits[i]!), `logits ${i}`).toBeLessThan(1e-4),
  );
}

describe("the cache on the CPU", () => {
  let engine: Engine;
  beforeAll(async () => (engine = await openEngine(testDevice)));
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each(Object.keys(models))("of %s is overwritten in place, in every tensor", async (name) => {
    const { shape } = await models[name]!();
    const { graph, state } = buildCachedForward(shape, { batch: 2, slots: 8, time: 1 });
    await using program = await engine.compile(graph, { state });
    expect([...program.inPlace].sort()).toEqual(Object.values(state).sort());
    expect(program.inPlace).toHaveLength(2 * dimensionsOf(shape).layers);
  });

  it("gives the same results in place and with two sets of buffers", async () => {
    const { shape, tensors } = model("llama");
    const { graph, state } = buildCachedForward(shape, { batch: 1, slots: 8, time: 2 });
    const logits = await Promise.all(
      [true, false].map(async (inPlace) => {
        await using program = await engine.compile(graph, { state, inPlace });
        let tables = Object.fromEntries(
          listInputs(graph)
            .filter(({ name }) => name.startsWith("past."))
            .map(({ name, type }) => [name, engine.upload(type, new Float32Array(sizeOf(type.shape)))]),
        );
        const weights = uploadAll(engine, tensors);
        const all: number[] = [];
        for (const start of [0, 2, 4, 6]) {
          const int = (shape: number[], ...numbers: number[]) =>
            engine.upload({ dtype: "int32", shape }, Int32Array.from(numbers));
          const { logits: own, ...next } = await program.run({
            ...weights,
            ...tables,
            tokens: int([1, 2], start, start + 9),
            positions: int([1, 2], start, start + 1),
            rows: int([1], 1),
          });
          all.push(...((await own!.read()) as Float32Array));
          tables = Object.fromEntries(Object.entries(next).map(([output, table]) => [state[output]!, table]));
        }
        return all;
      }),
    );
    expect(logits[0]).toEqual(logits[1]);
  });

  it("reads a long text in chunks", async () => {
    const given = model("kphi3", { max_position_embeddings: 700 });
    const texts = [600, 300, 511].map((length, seed) => ({
      ids: Array.from({ length }, (_, i) => (i * i + 7 * i + seed) % 32),
      isOpen: true,
    }));
    const sizes = { batch: texts.length, slots: 620 };
    await using plain = await openWithoutCache(engine, given, sizes);
    await using cached = new CachedNextToken(engine, given, sizes);
    const { signal } = new AbortController();
    for (let step = 0; step < 3; step++) {
      const wanted = await plain.logits(texts, signal);
      expect(computeRelativeError(await cached.logits(texts, signal), wanted), `step ${step}`).toBeLessThan(
        1e-4,
      );
      for (const { ids } of texts) ids.push(step);
    }
  });

  it("stops between two runs on request, and keeps working afterwards", async () => {
    await using cached = new CachedNextToken(engine, model("gpt2"), { batch: 1, slots: 16 });
    const texts = [{ ids: [1, 2, 3], isOpen: true }];
    const stopped = AbortSignal.abort();
    await expect(cached.logits(texts, stopped)).rejects.toMatchObject({ code: "cancelled" });
    expect(await cached.logits(texts, new AbortController().signal)).toHaveLength(32);
  });
});

describe.each(["cpu", "webgpu"] as const)("on %s", { timeout: 180_000 }, (device) => {
  const reason = device === "webgpu" ? webgpuSkipReason : undefined;
  if (reason !== undefined) {
    it("every model", ({ skip }) => {
      console.warn(`generation on ${device} is skipped: ${reason}`);
      skip(reason);
    });
    return;
  }
  let engine: Engine;
  beforeAll(async () => (engine = await openEngine(device)));
  afterAll(() => engine[Symbol.asyncDispose]());

  const names = Object.keys(models).filter((name) => device === "cpu" || !onProcessorOnly.has(name));
  it.each(names)("%s: texts of different lengths in one batch", async (name) => {
    const given = await models[name]!();
    await compare(engine, given, dimensionsOf(given.shape).context, 6);
  });

  it.each(["gpt2", "kphi3"])("%s: beyond the context", async (name) => {
    await compare(engine, await models[name]!(), dimensionsOf(model(name).shape).context, 12);
  });

  it("runs every operation of a step on this device", async () => {
    const { graph, state } = buildCachedForward(model("phi3").shape, { batch: 2, slots: 8, time: 1 });
    await using program = await engine.compile(graph, { state });
    expect(program.notices).toEqual([]);
  });
});
