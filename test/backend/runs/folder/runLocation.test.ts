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

it("takes where runs are, what is open, the repository, the package, and else the experiment's own folder", () => {
  const root = temporaryFolder();
  const [a, b, c] = [join(root, "a"), join(root, "a", "b"), join(root, "a", "b", "c")];
  mkdirSync(c, { recursive: true });
  const found = (...opened: string[]) => findWorkspace(join(c, "x.lathe.md"), opened);
  expect(found()).toBe(c);
  expect(found(a)).toBe(a);
  // The inner one of two opened folders; one that the experiment is not in has no say.
  expect(found(a, b, join(root, "other"))).toBe(b);
  writeFileSync(join(b, "package.json"), "{}");
  expect(found()).toBe(b);
  mkdirSync(join(a, ".git"));
  expect(found()).toBe(a);
  expect(found(b)).toBe(b);
  // What lies beyond the repository belongs to something else.
  mkdirSync(join(root, ".lathe"));
  expect(found(root)).toBe(a);
  mkdirSync(join(a, ".lathe"));
  expect(found(b)).toBe(a);
  expect(findWorkspaceAboveRun(join(root, ".lathe", "runs", "x"))).toBe(root);
  expect(findWorkspaceAboveRun(join(root, "elsewhere", "x"))).toBeUndefined();
});

describe("a window and a terminal see the same runs", () => {
  /** Folders that are made, the experiment, what the window has opened, and where the terminal stands. */
  const layouts: Record<string, [make: string[], experiment: string, opened: string, current: string]> = {
    "a repository that is opened": [["p/.git"], "p/e", "p", "p"],
    "a part of a repository that is opened": [["p/.git"], "p/part/deep", "p/part", "p"],
    "a repository of packages": [
      ["p/.git", "p/packages/a/package.json"],
      "p/packages/a/e",
      "p",
      "p/packages/a",
    ],
    "a folder without any mark": [[], "p/e/deep", "p", "p"],
    "the same, with the terminal beside the experiment": [[], "p/e/deep", "p", "p/e/deep"],
    "a package that is opened from above": [["p/a/package.json"], "p/a/e", "p", "p/a"],
    "repositories beside each other": [["p/a/.git", "p/b/.git"], "p/a/e", "p", "p"],
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
  expect(toSafeName("größe 3")).toBe("größe-3");
  expect(toSafeName("...")).toBe("run");
});

it("knows itself as alive, and a process of the same number but another start as gone", async () => {
  const own = await getOwnIdentity();
  expect(await checkLiveness(own)).toBe("alive");
  expect(await checkLiveness({ ...own, startedAt: `${own.startedAt}0` })).toBe("gone");
  expect(await checkLiveness({ ...own, pid: 2 ** 30 })).toBe("gone");
  expect(await checkLiveness({ ...own, host: "another machine" })).toBe("elsewhere");
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
