import { describe, expect, it } from "vitest";
import {
  type Finding,
  LossWatch,
  computeNeededBytes,
  overfittingPatience,
  patience,
} from "../../../../src/backend/service/runs/alerts";
import type { MetricLine } from "../../../../src/protocol/run";

/** Mulberry32, so that every series is reproducible. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A sample of the normal distribution. */
function noise(next: () => number): number {
  return Math.sqrt(-2 * Math.log(next() + 1e-12)) * Math.cos(2 * Math.PI * next());
}

const trainLine = (step: number, loss: number): MetricLine => ({ step, seconds: step, "train/loss": loss });
const evalLine = (step: number, loss: number): MetricLine => ({ step, seconds: step, "eval/loss": loss });

function findings(lines: readonly MetricLine[]): readonly (Finding & { readonly step: number })[] {
  const watch = new LossWatch();
  return lines.flatMap((line) => watch.add(line).map((finding) => ({ ...finding, step: line.step })));
}

/** From the loss of an untrained model towards its floor, like small models. */
const falling = (step: number) => 1.6 + 3.9 * Math.exp(-step / 120);

describe("an ordinary training", () => {
  it.each([0.01, 0.05, 0.1, 0.2])("raises no alert for any seed, with noise of %d of the loss", (level) => {
    for (let seed = 0; seed < 20; seed++) {
      const next = random(seed);
      const lines = Array.from({ length: 1500 }, (_, step) =>
        trainLine(step, falling(step) * (1 + level * noise(next))),
      );
      expect(findings(lines), `seed ${seed}`).toEqual([]);
    }
  });

  it("raises no alert if one in ten batches is much harder", () => {
    for (let seed = 0; seed < 20; seed++) {
      const next = random(seed);
      const lines = Array.from({ length: 1500 }, (_, step) =>
        trainLine(step, (next() < 0.1 ? 1.6 : 1) * falling(step) + 0.03 * noise(next)),
      );
      expect(findings(lines), `seed ${seed}`).toEqual([]);
    }
  });

  it("raises no alert while the loss rises during warm-up", () => {
    const lines = Array.from({ length: 31 }, (_, step) => trainLine(step, 5 + step));
    expect(findings(lines)).toEqual([]);
  });

  it("raises no alert for one unusual batch, or for a slow upward drift", () => {
    const next = random(1);
    const odd = Array.from({ length: 400 }, (_, step) =>
      trainLine(step, step === 300 ? 9 : 2 + 0.02 * noise(next)),
    );
    expect(findings(odd)).toEqual([]);
    const drift = Array.from({ length: 400 }, (_, step) =>
      trainLine(step, 2 + step / 200 + 0.02 * noise(next)),
    );
    expect(findings(drift)).toEqual([]);
  });

  it("raises no alert if the loss stays constant to the last digit and then changes slightly", () => {
    const lines = Array.from({ length: 200 }, (_, step) => trainLine(step, step < 150 ? 2 : 2.1));
    expect(findings(lines)).toEqual([]);
  });

  it("raises no plateau alert while evaluations improve slowly, with noise", () => {
    for (let seed = 0; seed < 20; seed++) {
      const next = random(seed);
      const lines = Array.from({ length: 100 }, (_, i) =>
        evalLine(i * 100, 2.2 * 0.998 ** i * (1 + 0.001 * noise(next))),
      );
      expect(findings(lines), `seed ${seed}`).toEqual([]);
    }
  });
});

describe("a spike", () => {
  it("is found within two values of its start, once while it lasts, with the usual value", () => {
    for (let seed = 0; seed < 20; seed++) {
      const next = random(seed);
      const lines = Array.from({ length: 600 }, (_, step) => {
        const spike = step >= 400 && step < 440 ? 2.5 * Math.exp(-(step - 400) / 15) : 0;
        return trainLine(step, falling(step) * (1 + 0.03 * noise(next)) + spike);
      });
      const found = findings(lines);
      expect(found.map(({ kind, step }) => [kind, step])).toEqual([["spike", 401]]);
      expect(found[0]!.message).toMatch(
        /^train\/loss has jumped to [34]\.\d* at step 401, where 1\.\d* was usual\.$/,
      );
    }
  });

  it("is found in a loss near zero and in a negative loss", () => {
    const next = random(3);
    for (const usual of [0.01, -4])
      expect(
        findings(
          Array.from({ length: 100 }, (_, step) =>
            trainLine(step, usual + (step >= 90 ? 1 : 0) + 0.001 * noise(next)),
          ),
        ),
      ).toMatchObject([{ kind: "spike", step: 91 }]);
  });

  it("is not found at the start of another training with its own watch", () => {
    const watch = new LossWatch();
    for (let step = 0; step < 100; step++) watch.add(trainLine(step, 1));
    const next = new LossWatch();
    expect([next.add(trainLine(101, 5)), next.add(trainLine(102, 5))]).toEqual([[], []]);
  });
});

describe("a value that is not a number", () => {
  it("is found in training and evaluation metrics, and reported with the metric's name", () => {
    expect(findings([trainLine(1, 5), trainLine(2, NaN)])).toEqual([
      { kind: "not-a-number", message: "train/loss is not a number at step 2.", step: 2 },
    ]);
    expect(findings([evalLine(7, Infinity)])).toMatchObject([{ kind: "not-a-number", step: 7 }]);
    expect(findings([{ step: 1, seconds: 1, "train/grad_norm": NaN }])).toMatchObject([
      { kind: "not-a-number" },
    ]);
  });

  it("is ignored in readings of the machine", () => {
    expect(findings([{ step: 1, seconds: 1, "system/cpu": NaN }])).toEqual([]);
  });

  it("neither hides a later spike nor counts as one", () => {
    const lines = Array.from({ length: 100 }, (_, step) =>
      trainLine(step, step % 10 === 0 ? NaN : step > 90 ? 9 : 2),
    );
    expect(findings(lines).filter(({ kind }) => kind === "spike")).toMatchObject([{ step: 92 }]);
  });
});

describe("a plateau", () => {
  it("is found once, when as many evaluations as its patience were no better than the best", () => {
    const losses = [3, 2.5, 2.2, ...Array.from({ length: 30 }, (_, i) => 2.2 + (i % 3) * 0.01)];
    expect(findings(losses.map((loss, i) => evalLine(i * 100, loss)))).toEqual([
      {
        kind: "plateau",
        message: `eval/loss has not improved since step 200, in ${patience} evaluations; the best is 2.2.`,
        step: (2 + patience) * 100,
      },
    ]);
  });

  it("is found if a model forgets other text, and if it never learns", () => {
    const overfit = Array.from({ length: 40 }, (_, i) => evalLine(i, 2 + Math.abs(i - 12) / 10));
    expect(findings(overfit)).toMatchObject([{ kind: "plateau", step: 12 + patience }]);
    const stuck = Array.from({ length: 20 }, (_, i) => evalLine(i, 5.545));
    expect(findings(stuck)).toMatchObject([{ kind: "plateau", step: patience }]);
  });

  it("is reported again only after another improvement", () => {
    const losses = [...Array<number>(15).fill(3), ...Array<number>(15).fill(2)];
    expect(findings(losses.map((loss, i) => evalLine(i, loss))).map(({ step }) => step)).toEqual([10, 25]);
  });
});

describe("overfitting", () => {
  /** Ten training lines and then one evaluation at a time. */
  const training = (
    rounds: number,
    trained: (round: number) => number,
    evaluated: (round: number) => number,
    level = 0,
  ): MetricLine[] => {
    const next = random(5);
    return Array.from({ length: rounds }, (_, round) => [
      ...Array.from({ length: 10 }, (__, i) =>
        trainLine(round * 10 + i, trained(round) * (1 + level * noise(next))),
      ),
      evalLine(round * 10 + 9, evaluated(round) * (1 + 0.1 * level * noise(next))),
    ]).flat();
  };

  it("is found once the evaluations have risen from their best while the training loss falls, and no plateau besides", () => {
    const lines = training(
      30,
      (round) => 3 * 0.9 ** round,
      (round) => 2 + 0.1 * Math.abs(round - 5),
      0.05,
    );
    const found = findings(lines);
    expect(found.map(({ kind, step }) => [kind, step])).toEqual([
      ["overfitting", (5 + overfittingPatience) * 10 + 9],
    ]);
    expect(found[0]!.message).toMatch(
      /^The model is overfitting: eval\/loss has risen from [12]\.\d+ at step 59 to 2\.\d+ at step 89, while train\/loss fell from 1\.\d+ to 1\.\d+\. Use more text, a smaller model or fewer steps\.$/,
    );
  });

  it("is not what noise around a plateau looks like, nor a loss that rises in training too", () => {
    const flat = training(
      9,
      (round) => 3 * 0.9 ** round,
      () => 2,
      0.05,
    );
    expect(findings(flat)).toEqual([]);
    const diverging = training(
      9,
      (round) => 2 + 0.05 * round,
      (round) => 2 + 0.1 * round,
    );
    expect(findings(diverging)).toEqual([]);
  });

  it("is not one evaluation on odd text", () => {
    const odd = training(
      9,
      (round) => 3 * 0.9 ** round,
      (round) => (round % 3 === 2 ? 4 : 3 * 0.95 ** round),
    );
    expect(findings(odd)).toEqual([]);
  });
});

it("asks for room for two checkpoints with optimizer state, and for a gibibyte at least", () => {
  expect(computeNeededBytes(undefined)).toBe(2 ** 30);
  expect(computeNeededBytes(1e6)).toBe(2 ** 30);
  expect(computeNeededBytes(1e9)).toBe(24e9);
});
