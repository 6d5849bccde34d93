import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  makeRunId,
  runIdPattern,
  safeName,
  workspaceAboveRun,
  workspaceOf,
} from "../../../src/backend/runs/runLocation";
import { liveness, ownIdentity } from "../../../src/backend/runs/processIdentity";
import { parseGpus } from "../../../src/backend/runs/systemMetrics";
import { temporaryFolder } from "./workbench";

it("takes the nearest marked folder above an experiment for its workspace, else the experiment's own", () => {
  const root = temporaryFolder();
  const deep = join(root, "a", "b", "c");
  mkdirSync(deep, { recursive: true });
  mkdirSync(join(root, "a", ".git"));
  expect(workspaceOf(join(deep, "x.lathe.md"))).toBe(join(root, "a"));
  mkdirSync(join(root, "a", "b", ".lathe"));
  expect(workspaceOf(join(deep, "x.lathe.md"))).toBe(join(root, "a", "b"));
  expect(workspaceAboveRun(join(root, ".lathe", "runs", "x"))).toBe(root);
  expect(workspaceAboveRun(join(root, "elsewhere", "x"))).toBeUndefined();
});

it("makes ids that every file system takes, whatever the name", () => {
  expect(makeRunId("first try", new Date(2026, 0, 2, 3, 4, 5))).toMatch(
    /^first-try-20260102-030405-[0-9a-f]{4}$/,
  );
  const names = [
    "../../etc/passwd",
    "a:b*c?",
    "  ",
    "",
    "…",
    "CON",
    "größe 3",
    ".hidden",
    "x".repeat(500),
    "a\u001b[2Jb",
    "-",
  ];
  for (const name of names) {
    const id = makeRunId(name);
    expect(id).toMatch(runIdPattern);
    expect(id).not.toMatch(/[/\\:*?"<>|\s]/);
    expect(id.length).toBeLessThan(90);
  }
  expect(safeName("größe 3")).toBe("größe-3");
  expect(safeName("...")).toBe("run");
});

it("knows itself as alive, and a process of the same number but another start as gone", async () => {
  const own = await ownIdentity();
  expect(await liveness(own)).toBe("alive");
  expect(await liveness({ ...own, startedAt: `${own.startedAt}0` })).toBe("gone");
  expect(await liveness({ ...own, pid: 2 ** 30 })).toBe("gone");
  expect(await liveness({ ...own, host: "another machine" })).toBe("elsewhere");
});

it("reads what a graphics card tells and leaves out what it does not", () => {
  expect(parseGpus("0, 1024, 71.25, 36\n100, 80000, [N/A], 70\n")).toEqual({
    "gpu/0/utilization": 0,
    "gpu/0/memory_gb": 1.073741824,
    "gpu/0/power": 71.25,
    "gpu/0/temperature": 36,
    "gpu/1/utilization": 100,
    "gpu/1/memory_gb": 83.88608,
    "gpu/1/temperature": 70,
  });
});
