/** Every published system is somewhere, or has a reason why not. */
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { methods } from "../src/backend/methods/catalog";
import { cachePolicies } from "../src/backend/caches/catalog";
import { metrics } from "../src/backend/evaluation/catalog";
import { checkSystems, systems } from "../scripts/systems";

it("names files and pages that exist", () => {
  checkSystems(resolve("."));
  expect(new Set(systems.map(({ title }) => title)).size).toBe(systems.length);
});

it("names methods, policies and metrics of the catalogs", () => {
  const known = new Set([methods, cachePolicies, metrics].flatMap((catalog) => Object.keys(catalog)));
  const named = systems.flatMap(({ files = [] }) =>
    files.flatMap((file) => /^src\/backend\/(?:methods|caches)\/(\w+)\.ts$/.exec(file)?.[1] ?? []),
  );
  expect(named.length).toBeGreaterThan(10);
  for (const id of named) expect(known, id).toContain(id);
});
