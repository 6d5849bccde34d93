/** A method that is stopped between two layers continues there, and ends with the same bytes. */
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { LazyTensor } from "../../../src/backend/checkpoints/lazyTensor";
import { methods } from "../../../src/backend/methods/catalog";
import { openPartialResults } from "../../../src/backend/runs/steps/partialResults";
import { useGrammar } from "../../support/grammar";
import { createLabWithText } from "../../support/lab";
import { createTinyShape, drawModelTensors } from "../../support/subject";

const grammar = useGrammar();
const shape = createTinyShape("llama");
const before: Checkpoint = { shape, tensors: drawModelTensors(shape, 7) };
const createFolder = () => mkdtempSync(join(tmpdir(), "partial-"));
const calibration = { samples: 4, batch_size: 2 };

interface Attempt {
  readonly folder: string;
  readonly key?: string;
  readonly model?: Checkpoint;
  /** Stops before this many matrices are done. */
  readonly stopAt?: number;
  readonly seconds?: number;
  readonly bytes?: number;
}

/** Applies a method to the end, or until it is stopped; undefined then. */
async function attempt(
  [name, given]: readonly [string, object],
  { folder, key = "key", model = before, stopAt = Infinity, seconds = 0, bytes }: Attempt,
) {
  const method = methods[name]!;
  const controller = new AbortController();
  const matrices: number[] = [];
  const messages: string[] = [];
  const log = (message: string) => void messages.push(message);
  await using lab = createLabWithText(grammar.engine, grammar.data, {
    signal: controller.signal,
    log,
    progress: (done, _, what) => {
      if (what !== "matrices") return;
      matrices.push(done);
      if (done >= stopAt) controller.abort();
    },
  });
  const partial = openPartialResults(folder, {
    key,
    log,
    seconds,
    // A slow disk must not put off the next file.
    share: Infinity,
    ...(bytes === undefined ? {} : { bytes }),
  });
  const options = method.options.parse(given) as unknown;
  const applied = method.apply(model, options, { ...lab, partial });
  const result = await applied.catch((thrown: unknown) => {
    if (!controller.signal.aborted) throw thrown;
    return undefined;
  });
  return { result, matrices, messages: messages.join("\n") };
}

/** In alphabetical order, as bytes. */
const bytesOf = ({ tensors }: Checkpoint) =>
  [...tensors]
    .map(([name, { shape, data }]) => ({
      name,
      shape,
      type: data.constructor.name,
      bytes: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

/** The parts that each file contains, from and to. */
const listStretches = (folder: string) =>
  readdirSync(folder)
    .map((name) => /^[0-9a-f]{32}-(\d+-\d+)-[0-9a-f]{64}\.safetensors$/.exec(name)?.[1])
    .sort();

/** Seven matrices in each of two layers: it is stopped in the second one. */
const stopAt = 9;

describe("an unfinished result", () => {
  it.each<readonly [string, object]>([
    ["rtn", { bits: 4 }],
    ["wanda", { sparsity: 0.5, calibration }],
    ["sparsegpt", { sparsity: 0.5, calibration }],
    ["gptq", { bits: 3, calibration }],
    ["gptq", { bits: 3, as: "published", calibration: { ...calibration, inputs: "original" } }],
    ["awq", { bits: 3, calibration }],
    ["alps", { sparsity: 0.5, calibration }],
    ["svd", { rate: 0.4, whiten: true, center: true, calibration }],
    ["cluster", { clusters: 5, calibration }],
  ])("of %s %j is continued with the same bytes", async (...method) => {
    const { result: expected } = await attempt(method, { folder: createFolder() });
    const folder = createFolder();
    expect((await attempt(method, { folder, stopAt })).result).toBeUndefined();
    expect(listStretches(folder)).toEqual(["0-1"]);
    const { result, matrices } = await attempt(method, { folder });
    expect(matrices).toEqual([7, 8, 9, 10, 11, 12, 13, 14]);
    expect(result!.shape).toEqual(expected!.shape);
    expect(bytesOf(result!)).toEqual(bytesOf(expected!));
    expect(listStretches(folder)).toEqual(["0-1", "1-2"]);
  });

  const gptq = ["gptq", { bits: 3, calibration }] as const;
  it.each<readonly [string, readonly [string, object], Partial<Attempt>]>([
    ["other options or data", gptq, { key: "other" }],
    ["another model", gptq, { model: { shape, tensors: drawModelTensors(shape, 8) } }],
    [
      "other matrices",
      ["gptq", { bits: 3, targets: ["layers.*.mlp.*", "layers.*.self_attn.*", "lm_head"], calibration }],
      {},
    ],
  ])("is not used with %s", async (_, method, changes) => {
    const { result: expected } = await attempt(method, { folder: createFolder(), ...changes });
    const folder = createFolder();
    await attempt(gptq, { folder, stopAt });
    const { result, matrices } = await attempt(method, { folder, ...changes });
    expect(matrices[0]).toBe(1);
    expect(bytesOf(result!)).toEqual(bytesOf(expected!));
    // The files of the other attempt are gone.
    expect(new Set(readdirSync(folder).map((name) => name.slice(0, 32))).size).toBe(1);
  });

  it("is computed again if its files are damaged", async () => {
    const folder = createFolder();
    await attempt(gptq, { folder, stopAt });
    writeFileSync(join(folder, readdirSync(folder)[0]!), "damaged");
    const { matrices, messages } = await attempt(gptq, { folder });
    expect(matrices[0]).toBe(1);
    expect(messages).toMatch(/^The unfinished result cannot be used, so it is computed again: /);
  });

  it("is used up to the first damaged file", async () => {
    const { result: expected } = await attempt(gptq, { folder: createFolder() });
    const folder = createFolder();
    await attempt(gptq, { folder });
    const second = readdirSync(folder).find((name) => name.slice(32).startsWith("-1-2-"))!;
    writeFileSync(join(folder, second), "damaged");
    const { result, matrices, messages } = await attempt(gptq, { folder });
    expect(matrices[0]).toBe(7);
    expect(messages).toMatch(
      /^The unfinished result cannot be used from part 2 on, so it is computed again: .*\nContinues the interrupted attempt: 1 of 2 parts are done\.$/m,
    );
    expect(bytesOf(result!)).toEqual(bytesOf(expected!));
    expect(listStretches(folder)).toEqual(["0-1", "1-2"]);
  });

  it("of a large model is in files, and not in memory", async () => {
    const wide = createTinyShape("llama", { intermediate_size: 2 ** 14 });
    const model = { shape: wide, tensors: drawModelTensors(wide, 7) };
    const options = {
      sparsity: 0.5,
      as: "published",
      calibration: { samples: 1 },
      targets: "layers.*.mlp.*",
    };
    const method = ["wanda", options] as const;
    const { result: expected } = await attempt(method, { folder: createFolder(), model, seconds: 1e6 });
    const folder = createFolder();
    const { result } = await attempt(method, { folder, model, seconds: 1e6, bytes: 2 ** 20 });
    expect(listStretches(folder)).toEqual(["0-1", "1-2"]);
    const isLazy = (each: Checkpoint) =>
      [...each.tensors.values()].filter((tensor) => tensor instanceof LazyTensor).length;
    expect([isLazy(expected!), isLazy(result!)]).toEqual([0, 6]);
    expect(bytesOf(result!)).toEqual(bytesOf(expected!));
  });

  it("that cannot be written does not end the method", async () => {
    const file = join(createFolder(), "file");
    writeFileSync(file, "");
    const { result, messages } = await attempt(gptq, { folder: join(file, "partial") });
    expect(result).toBeDefined();
    expect(messages.match(/The unfinished result cannot be written/g)).toHaveLength(1);
  });
});
