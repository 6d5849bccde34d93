/** `lathe eval --inference`: the metric `cache` on a text, with the keys of an evaluate cell. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createBytesTokenizer } from "../../src/backend/data/tokenizers/bytes";
import cache from "../../src/backend/evaluation/cache";
import { splitEvaluation } from "../../src/backend/evaluation/parseInference";
import { exportModel } from "../../src/backend/exports/exportModel";
import { schemaCatalog } from "../../src/backend/schemaCatalog";
import evaluate from "../../src/cli/commands/eval";
import { Terminal } from "../../src/cli/terminal";
import { useGrammar } from "../support/grammar";
import {
  createQuietLab,
  createTemporaryFolder,
  createTinyShape,
  drawModelTensors,
  openGrammarData,
} from "../support/subject";

const grammar = useGrammar();
const folder = createTemporaryFolder();
const path = (name: string) => join(folder.path, name);
const tokenizer = createBytesTokenizer();
const shape = createTinyShape("llama", { vocab_size: tokenizer.vocabSize, max_position_embeddings: 32 });
const subject = { shape, tensors: drawModelTensors(shape, 3), tokenizer };
const text = Array.from({ length: 40 }, (_, i) => `Line ${i} has ${(i * i) % 97}.`).join("\n");

beforeAll(async () => {
  writeFileSync(path("text.txt"), text);
  await exportModel(subject, { format: "safetensors" }, path("model"));
});
afterAll(() => folder[Symbol.dispose]());

const discard = () => new Writable({ write: (_chunk, _encoding, done) => done() });
const run = (options: Readonly<Record<string, unknown>>) =>
  evaluate.run({
    args: [path("model")],
    options: { data: [path("text.txt")], device: "cpu", ...options },
    terminal: new Terminal(true, discard(), discard()),
    catalog: schemaCatalog,
  });

it("measures what evaluate.cache measures", async () => {
  const { document, text: lines } = await run({
    inference: ["cache.window.budget=8", "cache.window.sinks=2"],
    maxTokens: 96,
  });
  using data = await openGrammarData(folder.path, {
    grammar: undefined,
    text: "text.txt",
    tokenizer: "bytes",
    val_fraction: 0,
    sequence_len: 1,
  });
  const { inference } = splitEvaluation({ inference: { cache: { window: { budget: 8, sinks: 2 } } } });
  const { details } = await cache.evaluate(
    {
      ...subject,
      inference,
      data: { title: "text", train: data.train, validation: undefined, test: data.train },
    },
    cache.options.parse({ split: "test", context: 32, max_tokens: 96 }),
    createQuietLab(grammar.engine),
  );
  expect(details.full_loss).not.toBe(details.loss);
  expect(document).toMatchObject({
    policy: "window",
    device: "cpu",
    context: 32,
    texts: 3,
    loss: expect.closeTo(details.loss, 6) as number,
    full_loss: expect.closeTo(details.full_loss, 6) as number,
    bytes: details.bytes,
  });
  expect(lines).toMatch(/^cache window: /);
});

it("finds retrieval heads first", async () => {
  const { text: lines } = await run({
    inference: ["cache.razor.induction=0.5", "cache.razor.recent_tokens=4", "cache.razor.sinks=1"],
    context: 16,
    maxTokens: 32,
  });
  expect(lines).toMatch(/^cache razor: \d+ key-value heads? keeps? all tokens/);
});

it.each<[object, RegExp]>([
  [{ inference: ["cache.h2o.budget=0.25"], tasks: ["piqa"] }, /--inference has no effect on --tasks/],
  [{ inference: ["prompt.recent={}"] }, /--inference prompt has no effect on a text .* Use lathe generate/],
  [{ inference: ["exits.threshold=0.9"] }, /--inference exits has no effect on a text/],
  [{ inference: ["cache.h2o={}"], stride: 4 }, /--stride: has no effect here; omit it/],
  [{ inference: ["cache.h2o={}"], protocol: "gptq" }, /--protocol: has no effect here/],
  [{ inference: ["cache.h3o={}"] }, /unknown key "h3o" in inference\.cache/],
  [{ inference: ["cache.snapkv.budget=16"] }, /no room for 32 recent tokens/],
  [{ inference: ["cache.h2o={}"], context: 64 }, /cache\.context is 64 tokens, but the model has only 32/],
])("refuses %j", async (options, message) => {
  await expect(run(options as Record<string, unknown>)).rejects.toThrow(message);
});
