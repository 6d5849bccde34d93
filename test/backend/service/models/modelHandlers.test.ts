import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { exporters } from "../../../../src/backend/exports/catalog";
import { importModel } from "../../../../src/backend/imports/importModel";
import { toWorkbenchError } from "../../../../src/protocol/errors";
import { realRun, type RealRun, useBundledPrograms } from "../realRuns";
import { temporaryFolder } from "../../runs/workbench";
import { Window } from "../window";

let real: RealRun;
beforeAll(async () => {
  await useBundledPrograms();
  real = await realRun();
}, 120_000);

const models = async () => (await real.window.ask("models.list", {})).models;

test("checkpoints, compressed models and exports of all runs are listed with size, family and step", async () => {
  const found = await models();
  expect(found.map(({ modifiedAt }) => modifiedAt)).toEqual(
    found
      .map(({ modifiedAt }) => modifiedAt)
      .sort()
      .reverse(),
  );
  const { run } = real;
  const steps = readdirSync(join(run, "checkpoints"))
    .map((name) => Number(name.slice("step-".length)))
    .sort();
  expect(steps).toEqual(expect.arrayContaining([6, 8]));
  expect(
    found.map(({ path, kind, title, step }) => [path.slice(run.length + 1), kind, title, step]).sort(),
  ).toEqual([
    // The best checkpoint of the first training is kept beside the last.
    ...steps.map((step) => [`checkpoints/step-${step}`, "checkpoint", `Step ${step}`, step]),
    ["steps/1-compress/checkpoint", "checkpoint", "After step 1 (compress)", undefined],
    ["steps/4-export/model", "export", "Export of step 4", undefined],
  ]);
  for (const each of found) {
    expect(each).toMatchObject({ run, family: "phi3" });
    expect(each.bytes).toBeGreaterThan(1000);
  }
});

test("a link in a run folder is not listed", async () => {
  const before = await models();
  const elsewhere = temporaryFolder();
  writeFileSync(join(elsewhere, "model.safetensors"), "x".repeat(5000));
  symlinkSync(elsewhere, join(real.run, "checkpoints", "step-99"));
  await real.window.service.runs.refresh(real.run);
  expect(await models()).toEqual(before);
});

/** Formats for models that have what the model of the run lacks. */
const missingParts: Readonly<Record<string, string>> = {
  peft: "it has no adapters",
  gptq: "none of its matrices is quantized",
  awq: "none of its matrices is quantized",
  "compressed-tensors": "none of its matrices is quantized",
};

/** Formats with a graph for other programs, from which no model is imported. */
const graphs = new Set(["onnx", "genai", "transformers-js"]);

test("the last checkpoint of a run is exported in every supported format", async () => {
  const { formats } = await real.window.ask("models.formats", {});
  expect(formats.map(({ id }) => id)).toEqual(Object.keys(exporters));
  for (const { id, title } of formats) {
    expect(title).not.toBe("");
    const to = join(temporaryFolder(), `exported-${id}`);
    const request = { subject: { kind: "run", run: real.run }, format: id, to } as const;
    const missing = missingParts[id];
    if (missing !== undefined) {
      await expect(real.window.ask("models.export", request)).rejects.toThrow(`as ${id}: ${missing}`);
      continue;
    }
    const { files } = await real.window.ask("models.export", request);
    expect(files.length).toBeGreaterThan(id === "gguf" ? 0 : 1);
    for (const file of files) expect(readFileSync(file).length, file).toBeGreaterThan(0);
    if (!graphs.has(id)) expect((await importModel(to)).shape.family).toBe("phi3");
  }
}, 60_000);

test("another checkpoint is exported by its name, and a folder by its path", async () => {
  const folder = join(real.run, "checkpoints", "step-6");
  const [a, b] = [join(temporaryFolder(), "a"), join(temporaryFolder(), "b")];
  const subject = { kind: "run", run: real.run, checkpoint: "checkpoints/step-6" } as const;
  await real.window.ask("models.export", { subject, format: "safetensors", to: a });
  await real.window.ask("models.export", {
    subject: { kind: "path", path: folder },
    format: "safetensors",
    to: b,
  });
  const weights = (path: string) => readFileSync(join(path, "model.safetensors"));
  expect(weights(a).equals(weights(b))).toBe(true);
  expect(weights(a).equals(weights(join(real.run, "steps/4-export/model")))).toBe(false);
}, 60_000);

test("models that can't be exported are refused with the reason", async () => {
  const { window, run, file } = real;
  const to = join(temporaryFolder(), "out");
  const subject = { kind: "run", run } as const;
  const exported = (params: object) =>
    window.ask("models.export", { subject, format: "safetensors", to, ...params });
  await expect(exported({ to: "relative" })).rejects.toMatchObject({ code: "invalid-input" });
  await expect(exported({ format: "pickle" })).rejects.toThrow(
    `Unknown export format "pickle". Allowed: ${Object.keys(exporters).join(", ")}.`,
  );
  await expect(exported({ format: "__proto__" })).rejects.toMatchObject({ code: "invalid-input" });
  await expect(exported({ subject: { kind: "plan", experiment: file } })).rejects.toMatchObject({
    code: "unsupported",
  });
  await expect(exported({ subject: { kind: "run", run: join(run, "..") } })).rejects.toMatchObject({
    code: "not-found",
  });
  await expect(exported({ subject: { ...subject, checkpoint: "../other" } })).rejects.toThrow(/outside/);
  await expect(exported({ subject: { kind: "path", path: temporaryFolder() } })).rejects.toThrow(
    /holds no model/,
  );
  await expect(exported({ to: run })).rejects.toThrow(/already exists and is not empty/);
  expect(existsSync(to)).toBe(false);
}, 60_000);

test("an export that is cancelled leaves nothing behind", async () => {
  // An export that ends before the cancellation proves nothing, so the next one is tried.
  let cancelled = false;
  for (let attempt = 0; attempt < 10 && !cancelled; attempt++) {
    const folder = temporaryFolder();
    const controller = new AbortController();
    const begun = watch(folder, () => controller.abort());
    const asked = real.window.ask(
      "models.export",
      { subject: { kind: "run", run: real.run }, format: "onnx", to: join(folder, "out") },
      controller.signal,
    );
    cancelled = await asked.then(
      () => false,
      (thrown: unknown) => toWorkbenchError(thrown).code === "cancelled",
    );
    begun.close();
    if (cancelled) expect(readdirSync(folder)).toEqual([]);
  }
  expect(cancelled).toBe(true);
}, 60_000);

test("nothing is exported from an untrusted workspace, but models are listed", async () => {
  const window = new Window();
  renameSync(join(real.window.workspace, ".lathe", "runs"), join(window.workspace, ".lathe", "runs"));
  try {
    await window.open({ trusted: false });
    const { models: found } = await window.ask("models.list", {});
    expect(found.map(({ kind }) => kind)).toContain("export");
    const subject = { kind: "path", path: found[0]!.path } as const;
    await expect(
      window.ask("models.export", { subject, format: "safetensors", to: join(window.workspace, "out") }),
    ).rejects.toMatchObject({ code: "unsupported" });
  } finally {
    renameSync(join(window.workspace, ".lathe", "runs"), join(real.window.workspace, ".lathe", "runs"));
  }
});
