/** A method that is stopped between two layers continues there, and ends with the same bytes. */
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
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
}

/** Applies a method to the end, or until it is stopped; undefined then. */
async function attempt(
  [name, given]: readonly [string, object],
  { folder, key = "key", model = before, stopAt = Infinity }: Attempt,
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
  const partial = openPartialResults(folder, { key, log, seconds: 0 });
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
    const kept = readdirSync(folder);
    expect(kept.map((name) => name.slice(32))).toEqual(["-1"]);
    const { result, matrices } = await attempt(method, { folder });
    expect(matrices).toEqual([7, 8, 9, 10, 11, 12, 13, 14]);
    expect(result!.shape).toEqual(expected!.shape);
    expect(bytesOf(result!)).toEqual(bytesOf(expected!));
    expect(readdirSync(folder).map((name) => name.slice(32))).toEqual(["-2"]);
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
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it("is computed again if its files are damaged", async () => {
    const folder = createFolder();
    await attempt(gptq, { folder, stopAt });
    writeFileSync(join(folder, readdirSync(folder)[0]!, "model.safetensors"), "damaged");
    const { matrices, messages } = await attempt(gptq, { folder });
    expect(matrices[0]).toBe(1);
    expect(messages).toMatch(/^The unfinished result cannot be used, so it is computed again: /);
  });

  it("that cannot be written does not end the method", async () => {
    const file = join(createFolder(), "file");
    writeFileSync(file, "");
    const { result, messages } = await attempt(gptq, { folder: join(file, "partial") });
    expect(result).toBeDefined();
    expect(messages.match(/The unfinished result cannot be written/g)).toHaveLength(1);
  });
});
