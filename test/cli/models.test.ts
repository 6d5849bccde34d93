/** The commands that take a model, as real processes on tiny models. */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBytesTokenizer } from "../../src/backend/data/tokenizers/bytes";
import { exporters } from "../../src/backend/exports/catalog";
import { exportModel } from "../../src/backend/exports/exportModel";
import { importModel } from "../../src/backend/imports/importModel";
import magnitude from "../../src/backend/methods/magnitude";
import { writeCheckpoint } from "../../src/backend/checkpoints/checkpoint";
import { bundle } from "../../scripts/bundle";
import { dataSchema } from "../../src/schema/experiment";
import { newWorkspace } from "../backend/runs/workbench";
import {
  drawModelTensors,
  openGrammarData,
  createTemporaryFolder,
  createTinyShape,
} from "../support/subject";
import { plainLab } from "../support/lab";

// Inside node_modules, so that the bundle finds ONNX Runtime.
const bundles = resolve("node_modules/.cache/lathe-tests", `models-${process.pid}`);
const cli = join(bundles, "lathe.cjs");
let workspace: string;
const text = "It was a dark and stormy night; the rain fell in torrents.\n".repeat(4);
const run = "tiny-20260101-000000-abcd";

beforeAll(async () => {
  await bundle({ source: "src/cli/main.ts", file: "lathe.cjs" }, bundles);
  workspace = newWorkspace();
  writeFileSync(join(workspace, "night.txt"), text);
  const tokenizer = createBytesTokenizer();
  const shape = createTinyShape("gpt2", { vocab_size: tokenizer.vocabSize });
  const subject = { shape, tensors: drawModelTensors(shape, 3), tokenizer };
  await exportModel(subject, { format: "safetensors" }, join(workspace, "model"));
  await writeRun();
});

afterAll(() => rmSync(bundles, { recursive: true, force: true }));

/** A run that trained on the built-in grammar with a tokenizer of its characters, then was pruned. */
async function writeRun(): Promise<void> {
  using folder = createTemporaryFolder();
  const options = { grammar: { symbols: 12, length: 600 }, tokenizer: "characters", sequence_len: 8 };
  using data = await openGrammarData(folder.path, options);
  const shape = createTinyShape("llama", { vocab_size: data.tokenizer.vocabSize });
  const pruned = await magnitude.apply(
    { shape, tensors: drawModelTensors(shape, 3) },
    magnitude.options.parse({ sparsity: 0.5 }),
    plainLab,
  );
  const target = join(workspace, ".lathe", "runs", run);
  mkdirSync(join(target, "steps", "0-compress"), { recursive: true });
  writeCheckpoint(join(target, "steps", "0-compress", "checkpoint"), pruned);
  const done = { key: "k", from: 0, step: 0, checkpoint: "steps/0-compress/checkpoint" };
  writeFileSync(join(target, "steps", "0-compress", "done.json"), JSON.stringify(done));
  const plan = {
    experiment: "tiny.lathe.md",
    name: "tiny",
    folder: ".",
    variant: "",
    sweep: {},
    seed: 0,
    device: "cpu",
    data: dataSchema.parse(options),
    steps: [],
  };
  const record = {
    id: run,
    name: "tiny",
    state: "done",
    plan,
    createdAt: "2026-01-01T00:00:00.000Z",
    workspace,
  };
  writeFileSync(join(target, "run.json"), JSON.stringify({ ...record, summary: {}, notices: [] }));
}

interface Finished {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

function lathe(...args: string[]): Promise<Finished> {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: workspace,
    env: { ...process.env, NO_COLOR: "1", LATHE_CACHE: join(workspace, "cache") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  return new Promise((resolve) => {
    child.on("close", (status) => resolve({ status, output, errors }));
  });
}
const json = ({ output }: Finished) => JSON.parse(output) as Record<string, unknown>;
const onCpu = ["--device", "cpu"];

describe("lathe inspect", () => {
  it("shows every role with its representation and counts", async () => {
    const { status, output } = await lathe("inspect", "last");
    expect(status).toBe(0);
    expect(output).toMatch(
      /llama: 2 layers, width 16, 4 heads \(2 for keys and values\), vocabulary \d+, context 16/,
    );
    expect(output).toMatch(/layers\.1\.mlp\.up_proj +masked +192 +192 +192 /);
    expect(output).toContain("whole model");
  });

  it("prints one document with tensors and the size of the file", async () => {
    const found = json(await lathe("inspect", "model", "--json"));
    const bytes = readFileSync(join(workspace, "model", "model.safetensors")).length;
    expect(found).toMatchObject({ model_type: "gpt2", total: { bytes } });
    expect(found["tensors"]).toContainEqual(
      expect.objectContaining({ name: "transformer.wte.weight", type: "float32", shape: [257, 16] }),
    );
    const { output } = await lathe("inspect", "model", "--tensors");
    expect(output).toMatch(/transformer\.wte\.weight +float32 +257×16/);
  });
});

describe("lathe eval", () => {
  it("prints perplexity with its protocol for a file of any length", async () => {
    const { status, output } = await lathe("eval", "model", "--data", "night.txt", "--stride", "8", ...onCpu);
    expect(status).toBe(0);
    expect(output).toMatch(/^perplexity [\d.e+]+ per token, .* bits\/byte\nnight.txt, test split \(ids /);
    // The bytes of the text and the end of the document; the first token is not scored.
    expect(output).toContain(
      `context 16, stride 8, tokenizer bytes, ${text.length} of ${text.length + 1} tokens scored`,
    );
  });

  it("uses the data and tokenizer of the model's run by default", async () => {
    const found = json(await lathe("eval", run, "--json", ...onCpu));
    expect(found).toMatchObject({
      device: "cpu",
      protocol: { data: "grammar", split: "validation", context: 8, stride: 4, tokenizer: "characters" },
    });
    expect(found["model"]).toContain("0-compress");
  });

  it("reads other text with the characters of the run's training text", async () => {
    const { errors, status } = await lathe("eval", "last", "--data", "night.txt", ...onCpu);
    expect(status).toBe(2);
    expect(errors).toMatch(/The character .* does not occur/);
  });
});

describe("lathe generate", () => {
  it("continues each prompt, without terminal control characters", async () => {
    const options = [
      "--temperature",
      "9",
      "--top-k",
      "0",
      "--max-new-tokens",
      "200",
      "--seed",
      "5",
      ...onCpu,
    ];
    const prompts = ["--prompt", "It was", "--prompt", "A"];
    const { status, output, errors } = await lathe("generate", "model", ...prompts, ...options);
    expect({ status, errors }).toMatchObject({ status: 0 });
    expect(output.startsWith("It was")).toBe(true);
    expect(output).toContain("\n\nA");
    expect(output.length).toBeGreaterThan(100);
    // eslint-disable-next-line no-control-regex -- None of these may reach a terminal.
    expect(output).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    const found = json(await lathe("generate", "model", ...prompts, ...options, "--json"));
    const samples = found["samples"] as { text: string; ids: number[] }[];
    expect(found["options"]).toMatchObject({ do_sample: true, temperature: 9, top_k: 0, seed: 5 });
    // The same seed draws the same tokens; the JSON document contains them unchanged.
    expect(samples.map(({ ids }) => ids.length)).toEqual([200, 200]);
    // eslint-disable-next-line no-control-regex -- See above.
    expect(samples[0]!.text).toMatch(/[\u0000-\u001f]/);
  });

  it("uses the chat template, ends at a stop string, and reports its speed", async () => {
    const chat = join(workspace, "chat");
    cpSync(join(workspace, "model"), chat, { recursive: true });
    writeFileSync(
      join(chat, "chat_template.jinja"),
      "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}",
    );
    const ask = ["generate", "chat", "--prompt", "Hi", "--max-new-tokens", "30", ...onCpu, "--json"];
    const found = json(await lathe(...ask, "--system", "So"));
    const [sample] = found["samples"] as { prompt: string; text: string; finish: string }[];
    expect(sample).toMatchObject({
      prompt: "s:So;u:Hi;",
      prompt_tokens: 10,
      messages: [
        { role: "system", content: "So" },
        { role: "user", content: "Hi" },
      ],
    });
    const speed = found["speed"] as Record<string, number>;
    expect(speed["prompt_tokens_per_second"]).toBeGreaterThan(0);
    expect(speed["new_tokens_per_second"]).toBeGreaterThan(0);
    const stop = sample!.text.slice(2, 4);
    const ended = json(await lathe(...ask, "--system", "So", "--stop", stop, "--no-cache"));
    expect(ended["options"]).toMatchObject({ stop: [stop], use_cache: false });
    const before = sample!.text.slice(0, sample!.text.indexOf(stop));
    expect(ended["samples"]).toMatchObject([{ text: before, finish: "stop" }]);
    const { errors } = await lathe("generate", "model", "--chat", "--prompt", "Hi", ...onCpu);
    expect(errors).toMatch(/bytes has no chat template/);
  });

  it("uses the tokenizer of the run's own text", async () => {
    const options = ["--max-new-tokens", "5", ...onCpu];
    const found = json(await lathe("generate", "last", "--prompt", "a", "--json", ...options));
    expect(found["samples"]).toMatchObject([{ prompt: "a", prompt_tokens: 1, finish: "length" }]);
    // A single text without an end marker has no token that begins another.
    expect((await lathe("generate", "last", ...options)).errors).toMatch(/no token to continue from/);
  });
});

describe("lathe export", () => {
  it.each(["safetensors", "onnx"])("writes a run as %s to the given path", async (format) => {
    const found = json(await lathe("export", "last", "--format", format, "--out", `out/${format}`, "--json"));
    expect(found["folder"]).toBe(join(workspace, "out", format));
    expect(readdirSync(join(workspace, "out", format))).toContain("tokenizer.json");
    const sizes = found["sizes"] as readonly { kind: string; before: number; after: number }[];
    expect(sizes.map(({ kind }) => kind)).toEqual(["weights", "configuration", "tokenizer", "total"]);
    expect(found["notices"]).toEqual(
      expect.arrayContaining([expect.stringMatching(/[Nn]othing (was|is) saved/)]),
    );
  });

  it("writes a folder that can be used as a model", async () => {
    const { status, output } = await lathe("export", "last", "--format", "safetensors");
    expect(status).toBe(0);
    expect(output).toContain(join(workspace, `${run}-safetensors`));
    expect(output).toMatch(/dense float32 +written\nweights +[\d.]+ kB +[\d.]+ kB +[\d.]+ %\n(.*\n)*total/);
    const { shape } = await importModel(join(workspace, `${run}-safetensors`));
    expect(shape.representations).toEqual({});
    const again = await lathe("export", "last", "--format", "safetensors");
    expect(again).toMatchObject({ status: 2 });
    expect(again.errors).toMatch(/not empty. Choose another folder/);
  });

  it("writes the metrics of a run for TensorBoard, and as a table", async () => {
    const line = { step: 1, tokens: 8, seconds: 0.5, "train/loss": 3, "eval/loss": null };
    writeFileSync(join(workspace, ".lathe", "runs", run, "metrics.jsonl"), `${JSON.stringify(line)}\n`);
    const found = json(await lathe("export", "last", "--format", "tensorboard", "--json"));
    expect(found["folder"]).toBe(join(workspace, `${run}-tensorboard`));
    expect(readdirSync(join(workspace, `${run}-tensorboard`))).toEqual([
      expect.stringMatching(/^events\.out\.tfevents\.\d+\.lathe$/),
    ]);
    await lathe("export", run, "--format", "csv", "--out", "out/table");
    expect(readFileSync(join(workspace, "out/table/metrics.csv"), "utf8")).toBe(
      "step,tokens,seconds,eval/loss,train/loss\n1,8,0.5,NaN,3\n",
    );
  });
});

it.each([
  [["inspect", "no-such-run"], /There is no model no-such-run: no file, folder or run.*nearest is tiny-/s],
  [["inspect", "./nowhere"], /There is no model at .*nowhere/],
  [["inspect", "last", "--checkpoint", "first"], /--checkpoint must be last or best, not first/],
  [["inspect", "last", "--checkpoint", "best"], /has no best checkpoint/],
  [["eval", "model"], /no text to evaluate on.*--data/],
  [["eval", "model", "--data", "nothing.txt"], /nothing.txt/],
  [["eval", "model", "--data", "night.txt", "--stride", "0"], /^--stride: /],
  [
    ["eval", "model", "--data", "night.txt", "--context", "99", ...onCpu],
    /longer than the model's 16 positions/,
  ],
  [["eval", "model", "--data", "night.txt", "--split", "dev"], /^--split: /],
  [["eval", "model", "--data", "night.txt", "--device", "gpu"], /Unknown device gpu\. Allowed: auto, cpu/],
  [["generate", "last", "--prompt", "€", ...onCpu], /The character "€"/],
  [["generate", "model", "--top-p", "1.5"], /^--top-p: /],
  [["generate", "model", "--stop", ""], /^--stop: /],
  [["generate", "model", "--stop-token-ids", "1,two"], /Write a number/],
  [["generate", "model", "--prompt", "far too long for a context of 16", ...onCpu], /Prompt 1 has 32 tokens/],
  [["generate", "model", "--temperature", "hot"], /Write a number/],
  [["generate", "model", "--tokenizer", "none.json"], /There is no tokenizer "none.json"/],
  [
    ["export", "last", "--format", "pickle"],
    new RegExp(`--format is ${Object.keys(exporters).join(", ")}, csv or tensorboard`),
  ],
  [["export", "last", "--format", "safetensors", "--batch-size", "2"], /--batch-size: has no effect here/],
  [["export", "last", "--format", "csv", "--checkpoint", "best"], /--checkpoint: has no effect here/],
  [["export", "no-such-run", "--format", "tensorboard"], /No run no-such-run in .*nearest is tiny-/],
])("%j fails with status 2 and a reason", async (args, message) => {
  const { status, output, errors } = await lathe(...args);
  expect({ status, output }).toEqual({ status: 2, output: "" });
  expect(errors.replace(/^Device .*\n/, "").replace(/^error: /, "")).toMatch(message);
  expect(existsSync(join(workspace, "nowhere"))).toBe(false);
});
