/** The operations of `lathe_torch` are those of the graph catalog. Needs no Python. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { catalogOps } from "../../support/catalogOps";

it("lathe_torch has one function for each operation of the catalog", () => {
  const path = fileURLToPath(new URL("../../../python/lathe_torch/operations.py", import.meta.url));
  const names = [...readFileSync(path, "utf8").matchAll(/^@operation\("(\w+)"\)$/gm)].map(([, name]) => name);
  expect(names.toSorted()).toEqual(catalogOps.map(({ name }) => name).toSorted());
});
