/** The operations and kernels of `lathe_torch` are those of the graph's catalogs. Needs no Python. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { catalogOps } from "../../support/catalogOps";
import { catalogComposites } from "../../support/compositeCases";

/** The names that a file of the package registers with a decorator, sorted. */
function readRegistered(file: string, decorator: string): string[] {
  const path = fileURLToPath(new URL(`../../../python/lathe_torch/${file}.py`, import.meta.url));
  const pattern = new RegExp(`^@${decorator}\\("(\\w+)"`, "gm");
  return [...readFileSync(path, "utf8").matchAll(pattern)].map(([, name]) => name!).sort();
}

it("lathe_torch has one function for each operation of the catalog", () => {
  expect(readRegistered("operations", "operation")).toEqual(catalogOps.map(({ name }) => name).sort());
});

it("lathe_torch has kernels only for composites of the catalog", () => {
  const kernels = readRegistered("kernels", "kernel");
  const names = catalogComposites.map(({ name }) => name);
  expect(kernels.length).toBeGreaterThan(5);
  expect(kernels.filter((name) => !names.includes(name))).toEqual([]);
});
