import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  makeRunId,
  runIdPattern,
  toSafeName,
  findWorkspaceAboveRun,
  findWorkspaceAround,
  findWorkspace,
} from "../../../../src/backend/runs/folder/runLocation";
import { checkLiveness, getOwnIdentity } from "../../../../src/backend/runs/process/processIdentity";
import { parseGpus } from "../../../../src/backend/runs/metrics/systemMetrics";
import { temporaryFolder } from "../workbench";

it("selects an existing runs folder, else the opened folder, the repository, the package, or the experiment's folder", () => {
  const root = temporaryFolder();
  const [a, b, c] = [join(root, "a"), join(root, "a", "b"), join(root, "a", "b", "c")];
  mkdirSync(c, { recursive: true });
  const found = (...opened: string[]) => findWorkspace(join(c, "x.lathe.md"), opened);
  expect(found()).toBe(c);
  expect(found(a)).toBe(a);
  // The inner one of two opened folders; one that does not contain the experiment is ignored.
  expect(found(a, b, join(root, "other"))).toBe(b);
  writeFileSync(join(b, "package.json"), "{}");
  expect(found()).toBe(b);
  mkdirSync(join(a, ".git"));
  expect(found()).toBe(a);
  expect(found(b)).toBe(b);
  // Folders above the repository belong to something else.
  mkdirSync(join(root, ".lathe"));
  expect(found(root)).toBe(a);
  mkdirSync(join(a, ".lathe"));
  expect(found(b)).toBe(a);
  expect(findWorkspaceAboveRun(join(root, ".lathe", "runs", "x"))).toBe(root);
  expect(findWorkspaceAboveRun(join(root, "elsewhere", "x"))).toBeUndefined();
});

describe("a window and a terminal see the same runs", () => {
  /** Folders to create, the experiment, the folder open in the window, and the working directory of the terminal. */
  const layouts: Record<string, [make: string[], experiment: string, opened: string, current: string]> = {
    "an opened repository": [["p/.git"], "p/e", "p", "p"],
    "an opened subfolder of a repository": [["p/.git"], "p/part/deep", "p/part", "p"],
    "a repository of packages": [
      ["p/.git", "p/packages/a/package.json"],
      "p/packages/a/e",
      "p",
      "p/packages/a",
    ],
    "a folder without a repository or package": [[], "p/e/deep", "p", "p"],
    "the same, with the terminal beside the experiment": [[], "p/e/deep", "p", "p/e/deep"],
    "a package whose parent folder is opened": [["p/a/package.json"], "p/a/e", "p", "p/a"],
    "sibling repositories": [["p/a/.git", "p/b/.git"], "p/a/e", "p", "p"],
  };
  const cases = Object.entries(layouts).flatMap(([name, layout]) =>
    (["window", "terminal"] as const).map((first) => ({ name, first, layout })),
  );
  it.each(cases)(
    "$name, the first run in the $first",
    ({ first, layout: [make, inner, opened, current] }) => {
      const root = temporaryFolder();
      for (const folder of [...make, inner]) mkdirSync(join(root, folder), { recursive: true });
      const experiment = join(root, inner, "x.lathe.md");
      const places = {
        window: () => findWorkspace(experiment, [join(root, opened)]),
        terminal: () => findWorkspace(experiment, [findWorkspaceAround(join(root, current))]),
      };
      const place = places[first]();
      mkdirSync(join(place, ".lathe"));
      expect([places.window(), places.terminal()]).toEqual([place, place]);
    },
  );
});

it("creates ids that every file system accepts, whatever the name", () => {
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
  expect(toSafeName("größe 3")).toBe("größe-3");
  expect(toSafeName("...")).toBe("run");
});

it("recognizes itself as alive, and a process with the same PID but another start time as dead", async () => {
  const own = await getOwnIdentity();
  expect(await checkLiveness(own)).toBe("alive");
  expect(await checkLiveness({ ...own, startedAt: `${own.startedAt}0` })).toBe("gone");
  expect(await checkLiveness({ ...own, pid: 2 ** 30 })).toBe("gone");
  expect(await checkLiveness({ ...own, host: "another machine" })).toBe("elsewhere");
});

it("reads what a graphics card reports and leaves out the rest", () => {
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
