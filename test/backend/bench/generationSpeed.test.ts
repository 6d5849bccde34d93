/** What the figures of writing are made of. Times themselves are nobody's to assert. */
import { expect, it } from "vitest";
import { measureGeneration } from "../../../src/backend/bench/generationSpeed";
import { openEngine } from "../../../src/backend/engine/onnxRuntime";
import { models } from "../../../src/backend/models/catalog";

it("times a prompt of half the context and a quarter of it more, with a cache and without", async () => {
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
