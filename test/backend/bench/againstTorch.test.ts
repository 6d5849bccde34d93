/** The comparison with PyTorch does the same work on both sides. Times are not asserted. */
import { expect, it } from "vitest";
import { compareTraining } from "../../../src/backend/bench/againstTorch";
import { compareGeneration } from "../../../src/backend/bench/generationAgainstTorch";
import { standardGpt } from "../../../src/backend/bench/trainingSpeed";
import { openEngine } from "../../../src/backend/engine/open";
import { createShape } from "../../../src/backend/models/model";
import { torchSkipReason } from "../../support/torch";

const python = process.env.LATHE_PYTHON!;
if (torchSkipReason !== undefined) console.log(`skipped the comparison with PyTorch: ${torchSkipReason}`);
const itWithTorch = it.skipIf(torchSkipReason !== undefined);

const shape = createShape({ ...standardGpt, n_embd: 32, n_layer: 2, n_head: 2, n_positions: 32 });

itWithTorch(
  "trains the same model on the same batch with the same optimizer",
  async () => {
    await using engine = await openEngine("cpu");
    const lines: string[] = [];
    const comparison = await compareTraining(
      engine,
      python,
      { shape, rows: 2, length: 16, steps: 4, warmup: 1, compiled: false },
      (line) => lines.push(line),
    );
    expect(comparison.missing).toEqual([]);
    const [eager] = comparison.pairs;
    expect(comparison.pairs).toHaveLength(1);
    expect(eager!.mode).toBe("eager");
    expect(eager!.lathe).toHaveLength(4);
    expect(eager!.torch).toHaveLength(4);
    expect(eager!.ratio).toBeGreaterThan(0);
    // The same weights, batches and updates: equal losses at every step.
    expect(eager!.lossDifference).toBeLessThan(1e-5);
    expect(lines).toHaveLength(5);
  },
  120_000,
);

itWithTorch(
  "writes the same text as plain PyTorch",
  async () => {
    await using engine = await openEngine("cpu");
    const comparison = await compareGeneration(
      engine,
      python,
      { shape, pairs: 1, plain: true },
      () => undefined,
    );
    expect(comparison).toMatchObject({ sameText: true, promptTokens: 16, newTokens: 8 });
    expect(comparison.model).toBe("plain PyTorch with a cache");
    for (const rate of [comparison.lathe, comparison.torchRate, comparison.ratio, comparison.memoryLimit]) {
      expect(rate).toBeGreaterThan(0);
      expect(Number.isFinite(rate)).toBe(true);
    }
  },
  120_000,
);

itWithTorch(
  "reports why PyTorch cannot run the same model",
  async () => {
    await using engine = await openEngine("cpu");
    const unknown = { ...shape, config: { ...shape.config, activation_function: "mish" } };
    const request = { shape: unknown, rows: 1, length: 8, steps: 1, warmup: 0, compiled: false };
    await expect(compareTraining(engine, python, request, () => undefined)).rejects.toThrow(
      "PyTorch could not run the comparison: KeyError: 'mish'",
    );
  },
  120_000,
);
