/** What the benchmark of generation measures. Times are not asserted. */
import { expect, it } from "vitest";
import { measureGeneration } from "../../../src/backend/bench/generationSpeed";
import { openEngine } from "../../../src/backend/engine/open";
import { models } from "../../../src/backend/models/catalog";

it("times a prompt of half the context and generation of another quarter, with and without a cache", async () => {
  await using engine = await openEngine("cpu");
  const lines: string[] = [];
  const speed = await measureGeneration(engine, models["kphi3"]!.tiny, (line) => lines.push(line));
  expect(speed).toMatchObject({ promptTokens: 8, newTokens: 4 });
  for (const { promptTokensPerSecond, newTokensPerSecond } of [speed.cached, speed.uncached])
    for (const rate of [promptTokensPerSecond, newTokensPerSecond]) {
      expect(rate).toBeGreaterThan(0);
      expect(Number.isFinite(rate)).toBe(true);
    }
  expect(speed.ratio).toBeCloseTo(speed.cached.newTokensPerSecond / speed.uncached.newTokensPerSecond, 6);
  expect(lines).toHaveLength(1);
});
