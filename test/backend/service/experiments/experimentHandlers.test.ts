import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { schemaCatalog } from "../../../../src/backend/schemaCatalog";
import { parseExperiment } from "../../../../src/backend/experiment/parse";
import { planRuns } from "../../../../src/backend/experiment/plan";
import { RunFolder } from "../../../../src/backend/runs/folder/runFolder";
import { getWorkspaceRunsFolder } from "../../../../src/backend/runs/folder/runLocation";
import { Window } from "../window";

const first = readFileSync("examples/first.lathe.md", "utf8");

/** An experiment in the window's workspace. */
async function written({ trusted = true } = {}) {
  const window = await new Window().open({ trusted });
  const file = join(window.workspace, "deep", "first.lathe.md");
  mkdirSync(join(file, ".."));
  writeFileSync(file, first);
  return { window, file };
}

/** Run folders, created as by starting the experiment. */
async function ran({ window, file }: Awaited<ReturnType<typeof written>>, text = first): Promise<string[]> {
  const plans = planRuns(parseExperiment(text, file, schemaCatalog), {
    codeVersion: "1",
    file: "deep/first.lathe.md",
  });
  const folders = plans.map(
    (plan) => RunFolder.create(getWorkspaceRunsFolder(window.workspace), plan, { state: "done" }).path,
  );
  await window.service.runs.rescan();
  return folders;
}

test("requests use the text of the editor, not of the file", async () => {
  const { window, file } = await written();
  const text = first.replace("max_steps", "max_step");
  const { diagnostics } = await window.ask("experiment.check", { file, text });
  expect(diagnostics).toMatchObject([{ cell: 3, replacement: "max_steps" }]);
  expect(await window.ask("experiment.check", { file, text: first })).toEqual({ diagnostics: [] });
  expect(await window.ask("experiment.outline", { file, text })).toMatchObject({
    faults: 1,
    title: /^A first run/.exec(first.slice(2))![0] + ": grouped projections against dense ones",
  });
  const offset = first.indexOf("learning_rate") + 3;
  expect((await window.ask("experiment.hover", { file, text: first, offset })).hover?.markdown).toContain(
    "Peak learning rate.",
  );
  expect(await window.ask("experiment.hover", { file, text: first, offset: 3 })).toEqual({});
  const { completions } = await window.ask("experiment.complete", { file, text: first, offset });
  expect(completions.map(({ label }) => label)).toContain("learning_rate");
});

test("sizes are shown over the model of each variant", async () => {
  const { window, file } = await written();
  const { lenses } = await window.ask("experiment.lenses", { file, text: first });
  const sizes = lenses.filter(({ cell }) => cell === 1).map(({ title }) => title.split(" · ")[0]);
  expect(sizes).toEqual(["dense: 426,624 non-embedding", "grouped: 189,056 non-embedding"]);
  // This builds the graphs of a training, but does not load a runtime.
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: readonly string[] };
  expect(sharedObjects.filter((path) => /onnxruntime/i.test(path))).toEqual([]);
});

test("in an untrusted workspace, no file is read except those open in the editor", async () => {
  const { window, file } = await written({ trusted: false });
  expect((await window.ask("experiment.lenses", { file, text: first })).lenses).not.toEqual([]);
  for (const text of [
    "```yaml\nbase_model: elsewhere\nevaluate: {counts: {}}\n```\n",
    "```yaml\ndata: {text: a.txt, tokenizer: elsewhere.json}\nmodel: {model_type: gpt2}\n```\n",
  ]) {
    const { lenses } = await window.ask("experiment.lenses", { file, text });
    expect(lenses[0]!.title).toMatch(
      /^Size not known yet: Reading the files .* is only possible in a trusted workspace/,
    );
  }
});

test("canceling a request for sizes stops the counting", async () => {
  const { window, file } = await written();
  await expect(window.ask("experiment.lenses", { file, text: first }, AbortSignal.abort())).rejects.toThrow();
});

test("runs are attached to the cells of their own file", async () => {
  const place = await written();
  const folders = await ran(place);
  const { window, file } = place;
  const { attached } = await window.ask("experiment.attach", { file, text: first });
  expect(attached).toEqual(
    folders.flatMap((run) => [
      { run, cell: 3, steps: [0], stale: false },
      { run, cell: 4, steps: [1], stale: false },
      { run, cell: 5, steps: [2], stale: false },
    ]),
  );
  const other = join(file, "..", "other.lathe.md");
  expect(await window.ask("experiment.attach", { file: other, text: first })).toEqual({ attached: [] });
  const edited = await window.ask("experiment.attach", {
    file,
    text: first.replace("max_steps: 600", "max_steps: 500"),
  });
  expect(edited.attached.map(({ stale }) => stale)).toEqual(Array(6).fill(true));
});

test("base models are those of all runs, relative to the experiment, and named ones", async () => {
  const place = await written();
  const [run] = await ran(place);
  const counts = { trainable: 1, stored: 1, nonZero: 1, bits: 32, bytes: 4 };
  RunFolder.open(run!).update({ counts: { nonEmbedding: counts, total: counts } });
  await place.window.service.runs.refresh(run!);
  const text = "```yaml\nbase_model: \n```\n";
  const asked = { file: place.file, text, offset: text.indexOf(": ") + 2 };
  const { completions } = await place.window.ask("experiment.complete", asked);
  expect(completions).toMatchObject([
    { label: expect.stringContaining("../.lathe/runs/first-dense-") as string, detail: "first-dense" },
    { label: "stories260k", detail: "stories260K" },
  ]);
  expect(existsSync(join(place.file, "..", JSON.parse(completions[0]!.label) as string))).toBe(true);
});

test("experiments are listed with their variants, whether or not they have run, including faulty ones", async () => {
  const window = await new Window().open();
  const [never, broken, gone] = ["never", "broken", "gone"].map((name) =>
    join(window.workspace, `${name}.lathe.md`),
  ) as [string, string, string];
  writeFileSync(never, first);
  writeFileSync(broken, "# Broken\n\n```yaml\nvariants: {a: {}, b: {}}\nmodel: {\n```\n");
  await window.open({ experiments: [never, broken, gone], trusted: false });
  const { experiments } = await window.ask("experiments.list", {});
  expect(experiments).toEqual([
    { file: never, title: /^# (.*)$/m.exec(first)![1], variants: ["dense", "grouped"] },
    { file: broken, title: "Broken", variants: ["a", "b"] },
    { file: gone, title: "", variants: [] },
  ]);
  writeFileSync(broken, "# Fixed\n\n```yaml\nvariants: {c: {}}\n```\n");
  const again = await window.ask("experiments.list", {});
  expect(again.experiments[1]).toEqual({ file: broken, title: "Fixed", variants: ["c"] });
});
