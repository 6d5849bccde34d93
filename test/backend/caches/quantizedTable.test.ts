/** Keys and values in few bits: the numbers of KIVI's published code, written token by token as well as at once. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkStore, planLayers } from "../../../src/backend/caches/planLayers";
import {
  listQuantizedTables,
  type QuantizedSizes,
  quantizeTables,
  writeQuantized,
} from "../../../src/backend/caches/quantizedTable";
import type { Engine, Tensor } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import cache from "../../../src/backend/evaluation/cache";
import { splitEvaluation } from "../../../src/backend/evaluation/parseInference";
import { input, sizeOf } from "../../../src/backend/graph/op";
import { quantizedCacheSchema } from "../../../src/schema/inference";
import { testDevice } from "../../support/device";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinySubject } from "../../support/subject";

interface Fixture {
  readonly heads: number;
  readonly tokens: number;
  readonly channels: number;
  readonly group: number;
  readonly cases: readonly { bits: 2 | 4 | 8; keys: number[]; values: number[] }[];
}
const fixture = JSON.parse(
  readFileSync(new URL("../../fixtures/kivi.json", import.meta.url), "utf8"),
) as Fixture;
const { heads, tokens, channels, group } = fixture;
/** The numbers of scripts/reference/kivi.py. */
const numbers = Float32Array.from({ length: heads * tokens * channels }, (_, i) =>
  Math.sin(1.7 * i * i + 0.3 * i),
);

function expectClose(got: ArrayLike<number>, wanted: readonly number[], what: string): void {
  expect(got.length).toBe(wanted.length);
  // KIVI multiplies in half precision.
  wanted.forEach((each, i) => expect(Math.abs(got[i]! - each), `${what} ${i}`).toBeLessThan(2e-3));
}

describe("quantized keys and values", () => {
  let engine: Engine;
  beforeAll(async () => (engine = await openEngine(testDevice)));
  afterAll(() => engine[Symbol.asyncDispose]());

  const sizesOf = (bits: 2 | 4 | 8, slots = tokens): QuantizedSizes => ({
    rows: heads,
    slots,
    headDim: channels,
    store: { bits, group_size: group },
  });

  /** Writes one token after the other; all keys and values after each. */
  async function writeAll(sizes: QuantizedSizes, count: number): Promise<[Float32Array, Float32Array][]> {
    const types = listQuantizedTables(sizes);
    const news = { key: input("new.key", [1, channels]), value: input("new.value", [1, channels]) };
    const past = new Map([...types].map(([name, { dtype, shape }]) => [name, input(name, shape, dtype)]));
    const written = writeQuantized((name) => past.get(name)!, input("target", [1], "int32"), news, sizes);
    const next = Object.fromEntries([...written.next].map(([name, value]) => [`next.${name}`, value]));
    await using program = await engine.compile({
      outputs: { keys: written.keys, values: written.values, ...next },
    });
    let tables: Record<string, Tensor> = Object.fromEntries(
      [...types].map(([name, type]) => {
        const size = sizeOf(type.shape);
        return [
          name,
          engine.upload(type, type.dtype === "uint8" ? new Uint8Array(size) : new Float32Array(size)),
        ];
      }),
    );
    const all: [Float32Array, Float32Array][] = [];
    for (let token = 0; token < count; token++) {
      const own = () => numbers.slice(token * channels, (token + 1) * channels);
      const fed = {
        "new.key": engine.upload(news.key.type, own()),
        "new.value": engine.upload(news.value.type, own()),
        target: engine.upload({ dtype: "int32", shape: [1] }, Int32Array.of(token)),
      };
      const outputs = await program.run({ ...tables, ...fed });
      all.push([
        (await outputs.keys!.read()).slice() as Float32Array,
        (await outputs.values!.read()).slice() as Float32Array,
      ]);
      tables = Object.fromEntries([...types.keys()].map((name) => [name, outputs[`next.${name}`]!]));
    }
    return all;
  }

  it.each(fixture.cases)("are those of KIVI's code, written token by token: $bits bits", async (wanted) => {
    // A further group, so that the last one of the fixture is complete and no longer open.
    const all = await writeAll(sizesOf(wanted.bits, tokens + group), tokens);
    const [keys, values] = all[tokens - 1]!;
    // The group that was filled last is still in float32.
    const done = (tokens - group) * channels;
    expectClose(keys.subarray(0, done), wanted.keys.slice(0, done), "key");
    expectClose(values.subarray(0, done), wanted.values.slice(0, done), "value");
    expect([...keys.subarray(done, tokens * channels)]).toEqual([...numbers.subarray(done)]);
    // While a group is open, what it has is exact.
    const [early] = all[group + 2]!;
    const [from, to] = [group * channels, (group + 3) * channels];
    expect([...early.subarray(from, to)]).toEqual([...numbers.subarray(from, to)]);
  });

  it.each(fixture.cases)(
    "are the same numbers when a prompt is rounded at once: $bits bits",
    async (wanted) => {
      const sizes = sizesOf(wanted.bits, tokens + group);
      const type = { dtype: "float32", shape: [sizes.slots, channels] } as const;
      const position = input("position", [1, sizes.slots], "int32");
      const graph = { keys: input("keys", type.shape), values: input("values", type.shape), position };
      await using program = await engine.compile({
        outputs: Object.fromEntries(quantizeTables(graph, sizes)),
      });
      const padded = new Float32Array(sizes.slots * channels).fill(1e6);
      padded.set(numbers);
      const outputs = await program.run({
        keys: engine.upload(type, padded.slice()),
        values: engine.upload(type, padded.slice()),
        position: engine.upload(
          position.type,
          Int32Array.from({ length: sizes.slots }, (_, i) => (i < tokens ? i : -1)),
        ),
      });
      const read = async (name: string) => (await outputs[name]!.read()).slice() as Float32Array;
      const perByte = 8 / wanted.bits;
      const unpack = (bytes: ArrayLike<number>, i: number) =>
        Math.floor(bytes[Math.floor(i / perByte)]! / 2 ** (wanted.bits * (i % perByte))) % 2 ** wanted.bits;
      const [keyCodes, keyScale, keyZero] = [
        await read("key.codes"),
        await read("key.scale"),
        await read("key.zero"),
      ];
      const keys = Array.from({ length: tokens * channels }, (_, i) => {
        const range = Math.floor(i / (group * channels)) * channels + (i % channels);
        return unpack(keyCodes, i) * keyScale[range]! + keyZero[range]!;
      });
      expectClose(keys, wanted.keys, "key");
      const [codes, scale, zero] = [
        await read("value.codes"),
        await read("value.scale"),
        await read("value.zero"),
      ];
      const values = Array.from({ length: tokens * channels }, (_, i) => {
        const range = Math.floor(i / group);
        return unpack(codes, i) * scale[range]! + zero[range]!;
      });
      expectClose(values, wanted.values, "value");
      expect(keyScale.every(Number.isFinite) && keyZero.every(Number.isFinite)).toBe(true);
    },
  );
});

describe("a quantized cache", () => {
  const grammar = useGrammar();
  const evaluate = async (choice: object, context = 16) => {
    const { inference } = splitEvaluation({ inference: { cache: choice } });
    const subject = { ...createTinySubject("llama", grammar.data), inference };
    const options = cache.options.parse({ context, prompt: 6, max_tokens: 160, split: "train" });
    return (await cache.evaluate(subject, options, createQuietLab(grammar.engine))).details;
  };

  it("comes nearer to all tokens with more bits, in the bytes of its tables", async () => {
    const kl: number[] = [];
    for (const bits of [2, 4, 8]) {
      const details = await evaluate({ quantized: { bits, group_size: 4 } });
      expect(details.policy).toBe(`full in ${bits} bits`);
      kl.push(details.kl);
      // 16 slots of 2 heads in 2 layers: codes, ranges in groups of 4, the open group, positions.
      const key = (16 * 4 * bits) / 8 + 2 * 4 * 4 * 4 + 4 * 4 * 4;
      const value = (16 * 4 * bits) / 8 + 2 * 4 * 16 + 4 * 4 * 4;
      expect(details.bytes).toBe(4 * (key + value + 4 * 16));
    }
    expect(kl[0]).toBeGreaterThan(kl[1]!);
    expect(kl[1]).toBeGreaterThan(kl[2]!);
    expect(kl[2]).toBeLessThan(1e-4);
  });

  it("rounds what a policy keeps", async () => {
    const float = await evaluate({ snapkv: { budget: 4, window: 2 } });
    const rounded = await evaluate({
      snapkv: { budget: 4, window: 2 },
      quantized: { bits: 8, group_size: 4 },
    });
    expect(rounded.policy).toBe("snapkv in 8 bits");
    expect(rounded.loss).toBeCloseTo(float.loss, 2);
    expect(rounded.loss).not.toBe(float.loss);
    expect(rounded.kept!.layers).toEqual(float.kept!.layers);
  });

  it("is refused where it cannot be, with what to change", async () => {
    const store = quantizedCacheSchema.parse({});
    expect(() => {
      checkStore({ headDim: 48 }, store);
    }).toThrow(/does not divide the 48 channels of a head/);
    expect(() => {
      checkStore({ headDim: 6 }, { bits: 2, group_size: 8 });
    }).toThrow(/Set inference.cache.quantized.bits to 8/);
    await expect(evaluate({ h2o: { budget: 4 }, quantized: {} })).rejects.toThrow(
      /overwrites single tokens of them. Use it alone, with snapkv or kvcrush/,
    );
    const { inference } = splitEvaluation({ inference: { cache: { quantized: {} } } });
    const plan = planLayers(inference.cache!, { layers: 1, kvHeads: 2 }, 100, [40]);
    expect(plan[0]!.groups[0]!.slots).toBe(128);
  });
});
