/** Publishing from the command line and from runs, as real processes, to a local server that speaks the API of the hub. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { bundle } from "../../scripts/bundle";
import { splitPushOptions } from "../../src/backend/exports/hub/pushRequest";
import { importModel } from "../../src/backend/imports/importModel";
import { listPushes, requirePushes } from "../../src/backend/runs/planning/pushes";
import { readPush } from "../../src/cli/pushExport";
import { type PushServer, startPushServer } from "../backend/exports/hub/pushServer";
import { newWorkspace } from "../backend/runs/workbench";

// Inside node_modules, so that the bundle finds ONNX Runtime.
const bundles = resolve("node_modules/.cache/lathe-tests", `push-${process.pid}`);
const token = "hf_test";
const repository = "some-one/tiny";
let workspace: string;
let hub: PushServer;

const experiment = `
name: tiny
device: cpu
---
data: {grammar: {symbols: 12, length: 600}, tokenizer: bytes, sequence_len: 8}
---
model: {model_type: llama, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 16, rms_norm_eps: 1e-5}
---
train: {max_steps: 2, per_device_train_batch_size: 2}
---
evaluate: {perplexity: {}}
---
compress: {magnitude: {sparsity: 0.5}}
---
evaluate: {savings: {}}
---
export: {format: safetensors, push_to: ${repository}, license: apache-2.0}
`;

beforeAll(async () => {
  await bundle({ source: "src/cli/main.ts", file: "lathe.cjs" }, bundles);
  await bundle({ source: "src/backend/runs/process/runProcess.ts", file: "runProcess.cjs" }, bundles);
  workspace = newWorkspace();
  writeFileSync(join(workspace, "tiny.yaml"), experiment);
  hub = await startPushServer({ token, name: "some-one" });
});

afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  rmSync(bundles, { recursive: true, force: true });
});

interface Finished {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

function lathe(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const child = spawn(process.execPath, [join(bundles, "lathe.cjs"), ...args], {
    cwd: workspace,
    env: {
      ...process.env,
      NO_COLOR: "1",
      LATHE_CACHE: join(workspace, "cache"),
      HF_ENDPOINT: hub.endpoint,
      HF_HOME: join(workspace, "hub"),
      HF_TOKEN: token,
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  return new Promise((done) => child.on("close", (status) => done({ status, output, errors })));
}

const runs = () => join(workspace, ".lathe", "runs");
const listRuns = () => (existsSync(runs()) ? readdirSync(runs()).sort() : []);

function expectArrived(folder: string): void {
  const { files } = hub.repositories.get(repository)!;
  expect([...files.keys()].sort()).toEqual(readdirSync(folder).sort());
  for (const [name, bytes] of files) expect(Buffer.compare(bytes, readFileSync(join(folder, name)))).toBe(0);
}

describe("an experiment with push_to", () => {
  it("is planned with its repository, and refused with --push where there is no token", async () => {
    const planned = await lathe(["plan", "tiny.yaml"], { HF_TOKEN: "" });
    expect(planned.output).toMatch(
      /5. export: .*\n +with --push, publishes the files of safetensors and a model card to some-one\/tiny \(private if it is new\); without it, only shows them/,
    );
    for (const command of ["plan", "run"]) {
      const { status, errors } = await lathe([command, "tiny.yaml", "--push"], { HF_TOKEN: "" });
      expect(status).toBe(2);
      expect(errors).toMatch(
        /Nothing can be pushed to some-one\/tiny: there is no token of the hub in HF_TOKEN or in the token file/,
      );
    }
    const refused = await lathe(["run", "tiny.yaml", "--push"], { HF_TOKEN: "hf_old" });
    expect(refused.errors).toMatch(/does not accept the token/);
    expect(listRuns()).toEqual([]);
  });

  it("sends nothing without --push, and leaves a folder that can be sent later", async () => {
    hub.asked.length = 0;
    const { status, output, errors } = await lathe(["run", "tiny.yaml"]);
    expect(status, errors).toBe(0);
    expect(hub.asked).toEqual([]);
    const [id] = listRuns() as [string];
    const folder = join(runs(), id, "steps", "4-export", "model");
    const log = readFileSync(join(runs(), id, "log.txt"), "utf8");
    expect(log).toMatch(/To some-one\/tiny \(private if it is new\):/);
    for (const name of readdirSync(folder)) expect(log).toMatch(new RegExp(`\\d B|kB +${name}`));
    expect(`${output}${errors}`).toMatch(/Nothing was sent to some-one\/tiny/);

    const card = readFileSync(join(folder, "README.md"), "utf8");
    const [, head = ""] = card.split("---\n");
    expect(parse(head)).toEqual({
      library_name: "transformers",
      license: "apache-2.0",
      pipeline_tag: "text-generation",
      tags: ["lathe", "safetensors", "llama", "magnitude"],
    });
    expect(card).toMatch(/\| weights as written \| [\d.]+ kB \|/);
    // The perplexity is that of the model before it was pruned.
    expect(card).not.toMatch(/\| perplexity/);
    expect(card).toMatch(/\| savings\/\S+ \| [\d.]+ \|/);
    expect(card).toMatch(/magnitude:\n +sparsity: 0.5/);
    const again = await lathe(["plan", join(folder, "experiment.yaml")]);
    expect(again.output).toMatch(/some-one\/tiny/);

    const wrong = await lathe(["export", join(folder, ".."), "--push-to", repository, "--push"]);
    expect(wrong.status).toBe(2);
    expect(wrong.errors).toMatch(/not an export that was prepared for the hub|is a folder/);
    const unnamed = await lathe(["export", `${folder}-none`, "--push-to", repository]);
    expect(unnamed.errors).toMatch(/-none does not exist\. Name a --format to export a model/);
    hub.failure = { request: /commit/, answer: 500, times: 1 };
    const failed = await lathe(["export", folder, "--push-to", repository, "--push"]);
    expect(failed.status).toBe(1);
    expect(failed.errors).toMatch(/failed with status 500.*To send it again: lathe export .* --push/s);
    const sent = await lathe(["export", folder, "--push-to", repository, "--push", "--json"]);
    expect(sent.status, sent.errors).toBe(0);
    expect((JSON.parse(sent.output) as { push: object }).push).toMatchObject({
      repository,
      card,
      pushed: { created: false, private: true },
    });
    expectArrived(folder);
  });

  it("is published by a run with --push", async () => {
    const before = listRuns();
    const { status, output, errors } = await lathe(["run", "tiny.yaml", "--push", "--set", "seed=1"]);
    expect(status, errors).toBe(0);
    const [id] = listRuns().filter((name) => !before.includes(name)) as [string];
    const folder = join(runs(), id, "steps", "4-export", "model");
    expectArrived(folder);
    expect(`${output}${errors}`).toMatch(/Published to the private repository, replacing .* some-one\/tiny/);
    const { pushed } = JSON.parse(
      readFileSync(join(runs(), id, "steps", "4-export", "export.json"), "utf8"),
    ) as { pushed: { commit: string } };
    expect(pushed.commit).toBe(hub.repositories.get(repository)!.head);
    expect((await importModel(folder)).shape.family).toBe("llama");
  });
});

describe("lathe export --push-to", () => {
  it("shows every file and the card of a run, and sends nothing", async () => {
    hub.asked.length = 0;
    const args = ["export", "last", "--format", "onnx", "--out", "shown", "--push-to", "some-one/other"];
    const { status, output, errors } = await lathe(args);
    expect(status, errors).toBe(0);
    for (const name of ["README.md", "experiment.yaml", "model.onnx"])
      expect(output).toMatch(new RegExp(`\\d k?B +${name}`));
    expect(output).toMatch(/library_name: "onnx"/);
    expect(output).toMatch(/\| savings\/\S+ \|/);
    expect(output).toMatch(
      /Nothing was sent. To send it: lathe export .*shown --push-to some-one\/other --push/,
    );
    expect(hub.asked).toEqual([]);

    // Another checkpoint of the run is another model than the one that was measured.
    const [id] = listRuns().slice(-1) as [string];
    const earlier = join(runs(), id, "checkpoints");
    const [name] = readdirSync(earlier) as [string];
    const other = ["--format", "onnx", "--out", "other", "--push-to", "some-one/other"];
    const unmeasured = await lathe(["export", join(earlier, name), ...other]);
    expect(unmeasured.status, unmeasured.errors).toBe(0);
    expect(unmeasured.output).toMatch(/## Size/);
    expect(unmeasured.output).not.toMatch(/## Measures|experiment.yaml/);
  });

  it("is refused before any work where the token may not write", async () => {
    const args = ["--format", "onnx", "--out", "none", "--push-to", "else/tiny", "--push"];
    const { status, errors } = await lathe(["export", "last", ...args]);
    expect(errors).toMatch(/belongs to some-one, who is not in an organization else/);
    expect(status).toBe(2);
    expect(existsSync(join(workspace, "none"))).toBe(false);
  });

  it.each([
    [{}, true, /^--push has no effect without --push-to owner\/name/],
    [{ license: "mit" }, false, /^--license has no effect without --push-to/],
    [{ private: false }, true, /^--push, --private has no effect without --push-to/],
    [{ pushTo: "tiny" }, false, /^--push-to: must be a repository of the hub as owner\/name/],
    [{ pushTo: "a/b/c" }, false, /--push-to/],
    [{ pushTo: "../b" }, false, /--push-to/],
    [{ pushTo: "a/b--c" }, false, /--push-to/],
    [{ pushTo: "a/b.git" }, false, /--push-to/],
    [{ pushTo: `a/${"b".repeat(95)}` }, false, /--push-to/],
    [{ pushTo: "a/b", private: "maybe" }, false, /^--private/],
    [{ pushTo: "a/b", license: "My License" }, false, /^--license: must be an identifier/],
  ])("does not take %o", (flags, isSent, message) => {
    expect(() =>
      readPush({ pushTo: undefined, private: undefined, license: undefined, ...flags }, isSent),
    ).toThrow(message);
  });

  it("takes a repository, which is private unless stated otherwise", () => {
    const flags = { pushTo: "a-b/c_d.e", private: undefined, license: undefined };
    expect(readPush(flags, false)).toEqual({ repository: "a-b/c_d.e", isPrivate: true, license: undefined });
    expect(readPush({ ...flags, private: false }, true)).toMatchObject({ isPrivate: false });
    expect(readPush({ ...flags, pushTo: undefined }, false)).toBeUndefined();
  });
});

describe("--push of several runs", () => {
  const plan = (repository: string | undefined) =>
    ({
      steps: [{ index: 0, action: "export", options: { format: "onnx", push_to: repository }, key: "" }],
    }) as never;

  it("is refused where they would replace each other, or publish nothing", () => {
    expect(() => requirePushes([plan("a/b"), plan("A/b")])).toThrow(
      /2 exports would replace each other in A\/b/,
    );
    expect(() => requirePushes([plan(undefined)])).toThrow(/no export names a repository. Add push_to/);
    expect(listPushes(plan("a/b"))).toEqual([{ repository: "a/b", isPrivate: true, license: undefined }]);
  });

  it("is refused for options without a repository", () => {
    expect(() => splitPushOptions({ private: false })).toThrow(/private has no effect without push_to/);
  });
});
