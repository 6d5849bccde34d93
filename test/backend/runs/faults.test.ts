/** Runs on a faulty machine: full disk, read-only folder, broken files, all of them real. */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { writeAtomic } from "../../../src/backend/runs/folder/atomicFile";
import { findRun, listRuns } from "../../../src/backend/runs/folder/findRuns";
import { readMetrics } from "../../../src/backend/runs/metrics/metricsReader";
import { MetricsWriter } from "../../../src/backend/runs/metrics/metricsWriter";
import { RunFolder } from "../../../src/backend/runs/folder/runFolder";
import { resumeRun, startRun } from "../../../src/backend/runs/process/startRun";
import { toWorkbenchError, WorkbenchError } from "../../../src/protocol/errors";
import { bundleLoop, ended, loopPlan, newWorkspace } from "./workbench";

let script: string;
let workspace: string;
beforeAll(async () => {
  script = await bundleLoop();
});
beforeEach(() => {
  workspace = newWorkspace();
});

const codeOf = (action: () => unknown) => {
  try {
    action();
  } catch (thrown) {
    return toWorkbenchError(thrown).code;
  }
  return "none";
};

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

describe("a full disk", () => {
  it("fails a run with that reason, keeps what was written, and allows the run to resume", async (test) => {
    const runs = join(workspace, "small");
    if (!tryMount(runs, "size=1m")) return test.skip(noMount);
    const options = { steps: 60, milliseconds: 2, saveSteps: 10, ballast: 200_000 };
    const { folder } = await startRun(loopPlan(options), { workspace, runsFolder: runs, script });
    const record = await ended(folder);
    expect(record).toMatchObject({ state: "failed", failure: { code: "disk-full" } });
    expect(record.failure?.message).toContain("Free some space");
    const reached = record.progress!.step;
    expect(reached).toBeGreaterThanOrEqual(30);
    const { lines, bad } = await readMetrics(join(folder, "metrics.jsonl"));
    expect(bad).toBe(0);
    expect(lines.filter((line) => "train/loss" in line).length).toBe(reached);
    const last = Math.floor(reached / 10) * 10 - 10;
    expect(JSON.parse(readFileSync(join(folder, "checkpoints", `step-${last}.json`), "utf8"))).toMatchObject({
      step: last,
    });
    expect(readdirSync(folder).filter((name) => name.startsWith(".") && name !== ".mutex")).toEqual([]);
    expect(readFileSync(join(folder, "log.txt"), "utf8")).toContain("Failed (disk-full)");

    for (const name of readdirSync(folder)) if (name.startsWith("ballast")) rmSync(join(folder, name));
    execFileSync("mount", ["-o", "remount,size=8m", runs]);
    await resumeRun(folder, { script });
    expect((await ended(folder)).state).toBe("done");
  });

  it("never leaves a partial file or line", (test) => {
    const small = join(workspace, "small");
    if (!tryMount(small, "size=64k")) return test.skip(noMount);
    const file = join(small, "run.json");
    writeAtomic(file, "before");
    expect(codeOf(() => writeAtomic(file, "x".repeat(100_000)))).toBe("disk-full");
    expect(readFileSync(file, "utf8")).toBe("before");
    expect(readdirSync(small)).toEqual(["run.json"]);

    const metrics = join(small, "metrics.jsonl");
    const writer = new MetricsWriter(metrics);
    const fill = () => {
      for (let step = 0; step < 10_000; step++)
        writer.append({ step, seconds: 0, [`a/${"b".repeat(300)}`]: 1 });
    };
    expect(codeOf(fill)).toBe("disk-full");
    expect(readFileSync(metrics, "utf8").endsWith("}\n")).toBe(true);
    writer.close();
  });
});

describe("a folder that can't be written", () => {
  it("is refused with a clear error before anything runs", async (test) => {
    const folder = join(workspace, "locked");
    mkdirSync(folder);
    const root = process.getuid?.() === 0;
    if (root && !tryMount(folder, "ro,size=64k")) return test.skip(noMount);
    if (!root) chmodSync(folder, 0o500);
    const failure = await startRun(loopPlan(), { workspace, runsFolder: folder, script }).catch(
      toWorkbenchError,
    );
    expect(failure).toBeInstanceOf(WorkbenchError);
    expect(failure).toMatchObject({ code: "io", message: expect.stringContaining("--out") as string });
  });
});

describe("broken files", () => {
  const finished = async () => {
    const { folder } = await startRun(loopPlan({ steps: 5, milliseconds: 1 }), { workspace, script });
    await ended(folder);
    return folder;
  };
  const runs = () => join(workspace, ".lathe", "runs");

  it("appear as separate entries in the list, beside intact runs", async () => {
    const [sound, cut, other, absent] = [
      await finished(),
      await finished(),
      await finished(),
      await finished(),
    ];
    truncateSync(join(cut, "run.json"), 100);
    writeFileSync(join(other, "run.json"), '{"id": 3}');
    rmSync(join(absent, "run.json"));
    const list = await listRuns(runs());
    expect(list.length).toBe(4);
    expect(list.find(({ folder }) => folder === sound)?.record?.state).toBe("done");
    for (const folder of [cut, other]) {
      expect(list.find((run) => run.folder === folder)).toMatchObject({ failure: { code: "corrupt" } });
    }
    expect(list.find(({ folder }) => folder === absent)).toMatchObject({ failure: { code: "not-found" } });
  });

  it("reads a metrics file cut anywhere up to its last complete line, and resumes after it", async () => {
    const folder = await finished();
    const path = join(folder, "metrics.jsonl");
    truncateSync(path, statSync(path).size - 5);
    const before = await readMetrics(path);
    expect(before.bad).toBe(0);
    appendFileSync(path, "\n");
    expect((await readMetrics(path)).bad).toBe(1);
  });

  it("never reads or writes through a link that leads out of the folder", async () => {
    const folder = RunFolder.open(await finished());
    const outside = join(workspace, "outside");
    mkdirSync(outside);
    symlinkSync(outside, join(folder.path, "linked"));
    symlinkSync(join(outside, "log.txt"), join(folder.path, "aside.txt"));
    for (const path of ["linked/x", "aside.txt", "../x", "a/../../x", outside, ".."]) {
      expect(() => folder.write(path, "text")).toThrow(WorkbenchError);
    }
    rmSync(join(folder.path, "log.txt"));
    symlinkSync(join(outside, "log.txt"), join(folder.path, "log.txt"));
    expect(() => folder.log("text")).toThrow(/symbolic link/);
    expect(existsSync(join(outside, "log.txt"))).toBe(false);
    expect(readdirSync(outside)).toEqual([]);
  });
});

describe("finding a run", () => {
  it("works by id, unique prefix, folder or `last`, and names the nearest if there is none", async () => {
    const runs = join(workspace, ".lathe", "runs");
    await expect(findRun("last", runs)).rejects.toMatchObject({ code: "not-found" });
    const start = (name: string) => startRun(loopPlan({ steps: 1 }, name), { workspace, script });
    const [a, b] = [await start("apple"), await start("banana")];
    await Promise.all([ended(a.folder), ended(b.folder)]);
    expect((await findRun("last", runs)).id).toBe(b.id);
    expect((await findRun(a.id, runs)).id).toBe(a.id);
    expect((await findRun("app", runs)).id).toBe(a.id);
    expect((await findRun(a.folder, "/nowhere")).id).toBe(a.id);
    await expect(findRun("", runs)).rejects.toMatchObject({ code: "invalid-input" });
    await expect(findRun("appel", runs)).rejects.toMatchObject({ code: "not-found" });
  });
});
