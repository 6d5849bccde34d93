/** Trainings whose files are damaged by the machine, the disk or a user. */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { readMetrics } from "../../src/backend/runs/metrics/metricsReader";
import { ended, pastStep } from "../backend/runs/workbench";
import {
  historyOf,
  killProcess,
  leftoversOf,
  type MeasuredLine,
  realWorkspace,
  recordOf,
  tensorsOf,
  useRealLathe,
  type Workspace,
} from "./realLathe";

useRealLathe();

const cells = `
data: {text: text.txt, sequence_len: 24, val_fraction: 0.2}
model: {model_type: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 24}
train: {max_steps: 60, per_device_train_batch_size: 4, learning_rate: 3e-3, eval_steps: 20, save_steps: 10, save_total_limit: 3}
evaluate: {perplexity: {stride: 12}}
`;
const text = Array.from({ length: 400 }, (_, i) => `Line ${i} adds ${(i * i) % 97}.\n`).join("");

let workspace: Workspace;
let file: string;
let expected: { history: readonly MeasuredLine[]; tensors: ReadonlyMap<string, Buffer> };
beforeAll(async () => {
  workspace = realWorkspace();
  writeFileSync(join(workspace.path, "text.txt"), text);
  file = workspace.write("long.lathe.md", cells);
  const folder = await workspace.run(file, "--device", "cpu");
  expected = { history: await historyOf(folder), tensors: tensorsOf(folder) };
});

/** A run that was killed after its checkpoints of steps 10, 20 and 30. */
async function interrupted(): Promise<string> {
  // On a busy machine, a run may be further, or done, before it is killed: then the next one is tried.
  for (let tries = 1; ; tries++) {
    const folder = await workspace.begin(file, "--device", "cpu", "--fresh");
    await pastStep(folder, 33);
    try {
      killProcess(folder);
    } catch {
      // It has already ended; its state is checked below.
    }
    const { state } = await ended(folder);
    if (state === "interrupted" && !existsSync(join(folder, "checkpoints", "step-40"))) return folder;
    rmSync(folder, { recursive: true });
    expect(tries, `killed after step 40, or not at all: ${state}`).toBeLessThan(10);
  }
}

const checkpoint = (folder: string, step: number, ...path: string[]) =>
  join(folder, "checkpoints", `step-${step}`, ...path);

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 100]! ^= 1;
  writeFileSync(path, bytes);
}

/** The run ends like an undamaged one, except for its notices, which are returned. */
async function resumeWell(folder: string): Promise<readonly string[]> {
  const before = recordOf(folder).notices.length;
  const { status, errors } = await workspace.lathe("resume", folder);
  expect({ status, errors }).toMatchObject({ status: 0 });
  expect(tensorsOf(folder)).toEqual(expected.tensors);
  expect(leftoversOf(folder)).toEqual([]);
  const notices = recordOf(folder).notices.slice(before);
  for (const notice of notices) expect(errors).toContain(notice);
  return notices.map((notice) => notice.replaceAll(folder, "RUN"));
}

describe("a checkpoint that is damaged", { timeout: 60_000 }, () => {
  it("is reported and skipped for the previous one", async () => {
    const folder = await interrupted();
    flipByte(checkpoint(folder, 30, "optimizer.safetensors"));
    expect(await resumeWell(folder)).toEqual([
      expect.stringMatching(
        /^The checkpoint of step 30 cannot be used: RUN.checkpoints.step-30.optimizer\.safetensors has changed since it was written/,
      ),
    ]);
    expect(await historyOf(folder)).toEqual(expected.history);
  });

  it("along with all others restarts the training", async () => {
    const folder = await interrupted();
    truncateSync(checkpoint(folder, 30, "model.safetensors"), 1000);
    rmSync(checkpoint(folder, 20, "state.json"));
    writeFileSync(checkpoint(folder, 10, "manifest.json"), "{}");
    const notices = await resumeWell(folder);
    expect(notices.length).toBe(4);
    expect(notices.at(-1)).toBe(
      "No checkpoint of this training can be used. Training restarts from the beginning.",
    );
    expect(await historyOf(folder)).toEqual(expected.history);
  });

  it("of a finished training repeats it from the previous checkpoint", async () => {
    const folder = await interrupted();
    await workspace.lathe("resume", folder);
    const record = recordOf(folder);
    writeFileSync(join(folder, "run.json"), JSON.stringify({ ...record, state: "interrupted" }));
    flipByte(checkpoint(folder, 60, "model.safetensors"));
    const notices = await resumeWell(folder);
    expect(notices[0]).toMatch(/^Step 0 \(train\) was done, but its model cannot be used/);
    expect(await historyOf(folder)).toEqual(expected.history);
  });
});

describe("a history that is damaged", { timeout: 60_000 }, () => {
  it("in its last line is repaired", async () => {
    const folder = await interrupted();
    appendFileSync(join(folder, "metrics.jsonl"), '{"step":34,"train/lo');
    expect(await resumeWell(folder)).toEqual([]);
    expect(await historyOf(folder)).toEqual(expected.history);
  });

  it("before the checkpoint shows a gap, with a notice", async () => {
    const folder = await interrupted();
    const path = join(folder, "metrics.jsonl");
    const rows = readFileSync(path, "utf8").split("\n");
    const cut = rows.findIndex((row) => row.startsWith('{"step":17,'));
    writeFileSync(path, `${rows.slice(0, cut).join("\n")}\n${rows[cut]!.slice(0, 20)}`);
    expect(await resumeWell(folder)).toEqual([
      "metrics.jsonl was truncated: it ends at step 16, and training resumes from step 30. The curve has a gap there.",
    ]);
    expect(await historyOf(folder)).toEqual(expected.history.filter(({ step }) => step <= 16 || step > 30));
  });

  it("is started again if it is missing", async () => {
    const folder = await interrupted();
    rmSync(join(folder, "metrics.jsonl"));
    expect(await resumeWell(folder)).toEqual([expect.stringContaining("it ends at step 0")]);
    expect(await historyOf(folder)).toEqual(expected.history.filter(({ step }) => step > 30));
  });
});

describe("a record that is cut off", { timeout: 60_000 }, () => {
  it("is reported; the run is left unchanged, and others continue", async () => {
    const folder = await interrupted();
    const whole = readFileSync(join(folder, "run.json"));
    truncateSync(join(folder, "run.json"), 200);
    const before = readdirSync(folder, { recursive: true }).sort();
    for (const command of ["resume", "show", "stop"]) {
      const { status, errors } = await workspace.lathe(command, folder);
      expect({ command, status }).toEqual({ command, status: 2 });
      expect(errors).toContain("run.json is not complete JSON. Its metrics and checkpoints may be intact");
    }
    const { status, output } = await workspace.lathe("runs");
    expect(status).toBe(0);
    expect(output).toContain("corrupt");
    expect(output).toContain("done");
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual(before);
    writeFileSync(join(folder, "run.json"), whole);
    await resumeWell(folder);
  });
});

describe("data that changes", { timeout: 60_000 }, () => {
  it("between two parts of a run is refused, and accepted again once restored", async () => {
    const folder = await interrupted();
    appendFileSync(join(workspace.path, "text.txt"), "One line more.\n");
    const { status, errors } = await workspace.lathe("resume", folder);
    expect(status).toBe(2);
    expect(errors).toContain(`${recordOf(folder).id} began with other data`);
    writeFileSync(join(workspace.path, "text.txt"), text);
    await resumeWell(folder);
    expect(await historyOf(folder)).toEqual(expected.history);
  });

  it("in its cache is read again", async () => {
    const cache = join(workspace.path, "cache", "tokens");
    const tokens = readdirSync(cache, { recursive: true, encoding: "utf8" }).map((name) => join(cache, name));
    const largest = tokens
      .filter((path) => statSync(path).isFile())
      .sort((a, b) => statSync(b).size - statSync(a).size);
    truncateSync(largest[0]!, 500);
    const folder = await workspace.run(file, "--device", "cpu", "--fresh");
    expect(tensorsOf(folder)).toEqual(expected.tensors);
  });
});

let mounted: string | undefined;
function tryMount(folder: string, options: string): boolean {
  try {
    mkdirSync(folder, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "none", folder], { stdio: "ignore" });
    mounted = folder;
    return true;
  } catch {
    return false;
  }
}
afterEach(() => {
  if (mounted !== undefined) execFileSync("umount", ["-l", mounted]);
  mounted = undefined;
});

const noMount = "needs the right to mount a small file system, which this user or system does not have";

describe("a disk", { timeout: 60_000 }, () => {
  it("that is full fails the run, keeps its files, and allows it to resume once there is space", async (test) => {
    const small = join(workspace.path, "small");
    if (!tryMount(small, "size=900k")) return test.skip(noMount);
    const { status, errors } = await workspace.lathe(
      "run",
      file,
      "--device",
      "cpu",
      "--fresh",
      "--out",
      small,
    );
    expect(status).toBe(1);
    expect(errors).toMatch(
      /^error: The disk is full \(.*small.*\)\. Free some space, then resume the run\.$/m,
    );
    const folder = join(small, readdirSync(small)[0]!);
    const record = recordOf(folder);
    expect(record).toMatchObject({ state: "failed", failure: { code: "disk-full" } });
    const { lines, bad } = await readMetrics(join(folder, "metrics.jsonl"));
    expect(bad).toBe(0);
    const reached = lines.findLast((line) => "train/loss" in line)!.step;
    expect(reached).toBeGreaterThanOrEqual(10);
    expect((await historyOf(folder)).length).toBeGreaterThanOrEqual(reached);
    expect(leftoversOf(folder)).toEqual([]);
    execFileSync("mount", ["-o", "remount,size=16m", small]);
    expect(await resumeWell(folder)).toEqual([]);
    expect(await historyOf(folder)).toEqual(expected.history);
  });

  it("that can't be written is reported before anything runs", async (test) => {
    const locked = join(workspace.path, "locked");
    if (!tryMount(locked, "ro,size=64k")) return test.skip(noMount);
    const { status, errors } = await workspace.lathe("run", file, "--device", "cpu", "--out", locked);
    expect(status).toBe(1);
    expect(errors).toMatch(
      /^error: No permission to write or read .*locked.*\. Choose another folder with --out/,
    );
    expect(readdirSync(locked)).toEqual([]);
  });

  it("whose cache can't be written is reported with a workaround", async (test) => {
    const locked = join(workspace.path, "locked");
    if (!tryMount(locked, "ro,size=64k")) return test.skip(noMount);
    const other = realWorkspace({ LATHE_CACHE: locked });
    const { status, errors } = await other.lathe(
      "run",
      other.write("a.lathe.md", cells.replace("text: text.txt", "grammar: {}")),
    );
    expect(status).toBe(1);
    expect(errors).toContain("LATHE_CACHE");
  });
});
