/** Shrinks a small trained model by every suitable method and lists the perplexity of each in one table. */
import { dirname, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type * as z from "zod";
import { openData } from "../../src/backend/data/dataSet";
import type { Engine } from "../../src/backend/engine/engine";
import { openEngine } from "../../src/backend/engine/open";
import { countModel } from "../../src/backend/models/accounting";
import perplexity from "../../src/backend/evaluation/perplexity";
import { importModel } from "../../src/backend/imports/importModel";
import { methods } from "../../src/backend/methods/catalog";
import type { Checkpoint } from "../../src/backend/checkpoints/checkpoint";
import { WorkbenchError } from "../../src/protocol/errors";
import { dataSchema } from "../../src/schema/experiment";
import { createLabWithText } from "../support/lab";
import { createQuietLab, createTemporaryFolder } from "../support/subject";
import { sharedFile } from "../backend/data/fixtures";

let engine: Engine;
beforeAll(async () => (engine = await openEngine("cpu")));
afterAll(() => engine[Symbol.asyncDispose]());

/** For a method with a share option; the others define their own levels, of which the first is nearly zero. */
const shares = [0.25, 0.5, 0.75];
const calibration = { samples: 16 };

/** A method with its options, or several methods in sequence, at each of several levels. */
interface Row {
  readonly name: string;
  readonly level: string;
  readonly levels: readonly number[];
  readonly steps: (level: number) => readonly (readonly [method: string, options: object])[];
}

function rowOf(name: string, more: object = {}): Row {
  const method = methods[name]!;
  const { shape: known } = method.options as unknown as z.ZodObject;
  const options = "calibration" in known ? { calibration, ...more } : more;
  return {
    name: [name, ...Object.keys(more)].join(" "),
    level: method.rate!,
    levels: method.levels?.slice(0, 4) ?? shares,
    steps: (level) => [[name, { [method.rate!]: level, ...options }]],
  };
}

const gptqAfterPruning: Row = {
  ...rowOf("gptq"),
  name: "sparsegpt 0.5, then gptq",
  steps: (bits) => [
    ["sparsegpt", { sparsity: 0.5, calibration }],
    ["gptq", { bits, calibration }],
  ],
};
const rows: readonly Row[] = [
  // Movement pruning learns its scores in training, which this table leaves out.
  ...Object.entries(methods).flatMap(([name, { rate }]) =>
    rate === undefined || name === "movement" ? [] : [rowOf(name)],
  ),
  rowOf("svd", { whiten: true }),
  rowOf("svd", { whiten: true, center: true }),
  rowOf("kron", { sites: 3 }),
  gptqAfterPruning,
];

it("each method costs more at higher levels, and calibrated methods cost less", async (context) => {
  const tokenizer = sharedFile(context, "stories260k", "tok512.bin");
  const model: Checkpoint = await importModel(sharedFile(context, "stories260k", "stories260K.bin"));
  const dataFolder = resolve(dirname(sharedFile(context, "tinystories", "tinystories_sample.txt")), "..");
  using folder = createTemporaryFolder();
  const given = { dataset: "tinystories", tokenizer, sequence_len: 256, val_fraction: 0.1 };
  using data = await openData(dataSchema.parse(given), {
    baseFolder: ".",
    cacheFolder: folder.path,
    dataFolder,
  });
  const measured = perplexity.options.parse({ max_tokens: 8_192 });
  const lossOf = async (checkpoint: Checkpoint) => {
    const subject = { ...checkpoint, data: { ...data, title: "tinystories" }, tokenizer: data.tokenizer };
    return (await perplexity.evaluate(subject, measured, createQuietLab(engine))).details.loss;
  };
  const dense = await lossOf(model);
  const bits = countModel(model.shape).total.bits;
  const table = [`dense: ${Math.exp(dense).toFixed(3)}`];
  const losses = new Map<string, number[]>();
  const unfit: string[] = [];
  for (const { name, level: title, levels, steps } of rows) {
    const own: number[] = [];
    const cells: string[] = [];
    for (const level of levels)
      try {
        let shrunk = model;
        for (const [method, given] of steps(level)) {
          const options = methods[method]!.options.parse(given) as unknown;
          methods[method]!.plan(shrunk.shape, options);
          shrunk = await methods[method]!.apply(shrunk, options, createLabWithText(engine, data));
        }
        const loss = await lossOf(shrunk);
        own.push(loss);
        const share = (100 * countModel(shrunk.shape).total.bits) / bits;
        cells.push(`${title} ${level}: ${Math.exp(loss).toFixed(3)} (${share.toFixed(1)} % of the bits)`);
      } catch (thrown) {
        if (!(thrown instanceof WorkbenchError) || thrown.code !== "unsupported") throw thrown;
        cells.push(`does not fit: ${thrown.message}`);
        unfit.push(name);
        break;
      }
    if (own.length > 0) losses.set(name, own);
    table.push(`${name}: ${cells.join(", ")}`);
  }
  console.info(`Perplexity a token of stories260K on 8,192 tokens held back:\n${table.join("\n")}`);
  for (const [name, own] of losses) {
    expect(own.every(Number.isFinite), name).toBe(true);
    expect(own.at(-1)!, name).toBeGreaterThan(own[0]!);
    expect(own[0]!, name).toBeGreaterThan(dense - 0.01);
  }
  const at = (name: string, i: number) => losses.get(name)!.at(i)!;
  expect(at("magnitude", 1)).toBeLessThan(at("random", 1));
  expect(at("wanda", 1)).toBeLessThan(at("random", 1));
  expect(at("sparsegpt", 1)).toBeLessThan(at("magnitude", 1));
  expect(at("gptq", -1)).toBeLessThan(at("rtn", -1));
  expect(at("svd whiten", 1)).toBeLessThan(at("svd", 1));
  expect(at("svd whiten center", 1)).toBeLessThan(at("svd", 1));
  // Rounding to eight bits after pruning costs next to nothing.
  expect(at(gptqAfterPruning.name, 0)).toBeLessThan(at("sparsegpt", 1) + 0.01);
  // Grouped queries have no diagonal, and tied embeddings no row of their own.
  expect(unfit).toEqual(["dwc", "graphhash"]);
});
