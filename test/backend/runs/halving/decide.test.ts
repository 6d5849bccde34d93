import { describe, expect, test } from "vitest";
import { type Candidate, decide, rankRuns } from "../../../../src/backend/runs/halving/decide";
import { measureRung } from "../../../../src/backend/runs/halving/measureRung";
import { createRandomStream } from "../../../../src/backend/representations/randomStream";
import { computeRungs } from "../../../../src/backend/experiment/search";
import type { HalvingPlan, MetricLine, RunRecord } from "../../../../src/protocol/run";

const createPlan = (candidates: number, factor: number, steps = 1000): HalvingPlan => ({
  bracket: "b",
  candidate: 0,
  candidates,
  metric: "eval/loss",
  factor,
  rungs: computeRungs(candidates, steps, { factor }),
});

/** What a run's loss is at each rung; undefined where it fails before it. */
type Losses = readonly (readonly (number | null | undefined)[])[];

/** The textbook: sort those that are there, keep the best share, repeat. */
function computeBracket({ rungs }: HalvingPlan, losses: Losses): number[][] {
  let there = losses.map((_, candidate) => candidate);
  const continued: number[][] = [];
  for (const rung of rungs.slice(0, -1).keys()) {
    const living = there.filter((candidate) =>
      losses[candidate]!.slice(0, rung + 1).every((x) => x !== undefined),
    );
    living.sort((a, b) => (losses[a]![rung] ?? Infinity) - (losses[b]![rung] ?? Infinity) || a - b);
    there = living.slice(0, rungs[rung + 1]!.runs);
    continued.push([...there].sort((a, b) => a - b));
  }
  return continued;
}

/** Run folders without the folders: an event at a time, with decisions asked for in between. */
class Simulation {
  readonly runs = new Map<number, Candidate>();
  /** Runs that continued after each rung. */
  readonly continued: number[][] = [];

  constructor(
    readonly plan: HalvingPlan,
    readonly losses: Losses,
    readonly draw: () => number,
  ) {}

  private set(candidate: number, patch: Partial<RunRecord>): void {
    const plan = { halving: { ...this.plan, candidate } };
    const before = this.runs.get(candidate)?.record ?? {
      id: String(candidate),
      plan,
      state: "queued",
      summary: {},
    };
    const record = { ...before, ...patch } as unknown as RunRecord;
    this.runs.set(candidate, { folder: String(candidate), record });
  }

  /** Trains one run to its rung, fails it, or kills it on the way. */
  private execute(candidate: number): void {
    const { rung = 0, values = [] } = this.runs.get(candidate)?.record.halving ?? {};
    const loss = this.losses[candidate]![rung];
    if (this.draw() < 0.2) {
      // Killed, perhaps after its loss was recorded.
      const recorded = this.draw() < 0.5 && loss !== undefined ? [...values.slice(0, rung), loss] : values;
      this.set(candidate, { state: "interrupted", halving: { rung, values: recorded } });
    } else if (loss === undefined) this.set(candidate, { state: "failed" });
    else if (rung === this.plan.rungs.length - 1) this.set(candidate, { state: "done" });
    else this.set(candidate, { state: "held", halving: { rung, values: [...values.slice(0, rung), loss] } });
  }

  finish(): void {
    for (let turn = 0; turn < 10_000; turn++) {
      const decision = decide(this.plan, this.runs);
      // Asking again gives the same answer.
      expect(decide(this.plan, new Map(this.runs))).toEqual(decision);
      if (decision.isFinished) return;
      const changes = [
        ...decision.promote.map(({ run, rung }) => () => {
          const candidate = run.record.plan.halving!.candidate;
          (this.continued[rung - 1] ??= []).push(candidate);
          this.set(candidate, { halving: { rung, values: run.record.halving!.values } });
        }),
        ...decision.prune.map(({ run, pruned }) => () => {
          const { rung, values } = run.record.halving!;
          this.set(run.record.plan.halving!.candidate, {
            state: "pruned",
            halving: { rung, values, pruned },
          });
        }),
      ];
      // The deciding process may be killed after any of its writes.
      const written = this.draw() < 0.3 ? Math.ceil(this.draw() * changes.length) : changes.length;
      for (const change of changes.slice(0, written)) change();
      if (changes.length > 0) continue;
      const ready = [
        ...decision.start,
        ...[...decision.proceed, ...decision.resume].map(({ record }) => record.plan.halving!.candidate),
      ];
      this.execute(ready[Math.floor(this.draw() * ready.length)]!);
    }
    throw new Error("The search never ended.");
  }
}

/** Multiples of 1/4, so that some are equal; one of ten is not finite, one fails. */
function drawLoss(draw: () => number): number | null | undefined {
  const kind = Math.floor(10 * draw());
  return kind === 0 ? null : kind === 1 ? undefined : Math.floor(20 * draw()) / 4;
}

describe("deciding a bracket", () => {
  test("the runs that continue are those of a plain computation, with ties, failures and kills anywhere", () => {
    for (let seed = 0; seed < 300; seed++) {
      const draw = createRandomStream("brackets", seed);
      const plan = createPlan(2 + Math.floor(29 * draw()), 2 + Math.floor(3 * draw()));
      const losses = Array.from({ length: plan.candidates }, () => plan.rungs.map(() => drawLoss(draw)));
      const simulation = new Simulation(plan, losses, draw);
      simulation.finish();
      const continued = plan.rungs
        .slice(0, -1)
        .map((_, rung) => [...(simulation.continued[rung] ?? [])].sort((a, b) => a - b));
      expect(continued, `seed ${seed}`).toEqual(computeBracket(plan, losses));
      const states = [...simulation.runs.values()].map(({ record }) => record.state);
      expect(states.every((state) => ["done", "failed", "pruned"].includes(state))).toBe(true);
    }
  });

  const held = (
    candidate: number,
    value: number | null,
    patch: Partial<RunRecord> = {},
  ): [number, Candidate] => [
    candidate,
    {
      folder: String(candidate),
      record: {
        plan: { halving: { ...createPlan(3, 3), candidate } },
        state: "held",
        halving: { rung: 0, values: [value] },
        summary: {},
        ...patch,
      } as unknown as RunRecord,
    },
  ];

  test("a pruned run knows what its rung needed", () => {
    const { prune, promote } = decide(
      createPlan(3, 3),
      new Map([held(0, 3.21), held(1, 2.95), held(2, null)]),
    );
    expect(promote.map(({ run }) => run.folder)).toEqual(["1"]);
    expect(prune.map(({ run, pruned }) => [run.folder, pruned])).toEqual([
      ["0", { step: 333, steps: 1000, metric: "eval/loss", value: 3.21, needed: 2.95 }],
      ["2", { step: 333, steps: 1000, metric: "eval/loss", value: null, needed: 2.95 }],
    ]);
  });

  test("a run whose training ended by itself counts with its last loss and needs no more steps", () => {
    const early = {
      state: "done",
      halving: undefined,
      summary: { "eval/loss": { last: 1, min: 1, max: 1 } },
    } as const;
    const runs = new Map([held(0, 3), held(1, 2), held(2, null, early as unknown as Partial<RunRecord>)]);
    const { prune, promote } = decide(createPlan(3, 3), runs);
    expect([prune.length, promote.length]).toEqual([2, 0]);
  });

  test("runs that were deleted after their rung was decided are not started again", () => {
    const promoted = held(1, 2, { halving: { rung: 1, values: [2] } });
    expect(decide(createPlan(3, 3), new Map([promoted]))).toMatchObject({
      start: [],
      rung: 1,
      proceed: [{ folder: "1" }],
    });
  });

  test("losses that are not finite come last, ties go to the earlier candidate", () => {
    const runs = [null, 2, 1, 2, null].map((value, candidate) => ({ candidate, value }));
    expect(rankRuns(runs).map(({ candidate }) => candidate)).toEqual([2, 1, 3, 0, 4]);
  });
});

test("a rung is measured by its last evaluation, or by the mean of the training losses since the rung before", () => {
  const lines: MetricLine[] = [
    { step: 10, seconds: 0, "eval/loss": 5, "train/loss": 9 },
    { step: 20, seconds: 0, "train/loss": 4 },
    { step: 30, seconds: 0, "train/loss": 2, "eval/loss": 3 },
    { step: 40, seconds: 0, "train/loss": 1, "eval/loss": 2 },
  ];
  const rungs = [10, 30, 90].map((steps) => ({ runs: 1, steps }));
  expect(measureRung(lines, { metric: "eval/loss", rungs }, 1)).toBe(3);
  expect(measureRung(lines, { metric: "train/loss", rungs }, 1)).toBe(3);
  expect(measureRung(lines, { metric: "eval/loss", rungs }, 0)).toBe(5);
  expect(measureRung([], { metric: "eval/loss", rungs }, 0)).toBe(null);
  expect(measureRung([], { metric: "train/loss", rungs }, 0)).toBe(null);
});
