/** Any number of run folders, as after a year of work: only their records, which are all that the table reads. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { Counts } from "../../src/protocol/counts";
import type { RunNotes, RunRecord, RunState } from "../../src/protocol/run";

const experiments = ["grouped-projections", "kronecker-embeddings", "half-the-heads", "tied-rows"];
const variants = ["dense", "grouped", "masked", "factored"];
const tagged: readonly (readonly string[])[] = [
  [],
  [],
  ["baseline"],
  ["paper"],
  ["baseline", "paper"],
  ["retry"],
];
const remarks = [
  "",
  "",
  "",
  "loss falls more slowly after 200 steps",
  "keep: best so far",
  "same data, other seed",
];

/** Overrides the random fields of run `number`. */
export type Special = (number: number) => { readonly record?: Partial<RunRecord>; readonly notes?: RunNotes };

/**
 * Creates the runs in `.lathe/runs` and returns their folders; run 0 is the newest. The same numbers give the same
 * runs.
 */
export function makeRuns(workspace: string, number: number, special: Special = () => ({})): string[] {
  const chance = xoroshiro128plus(7);
  const uniform = () => uniformFloat64(chance);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(uniform() * choices.length)]!;
  const runs = join(workspace, ".lathe", "runs");
  mkdirSync(runs, { recursive: true });
  const latest = Date.UTC(2026, 10, 20, 9, 30);
  return Array.from({ length: number }, (_, i) => {
    const experiment = pick(experiments);
    const variant = pick(variants);
    const created = new Date(latest - i * 47 * 60_000);
    const steps = pick([400, 1000, 5000]);
    const state: RunState = i % 11 === 4 ? "failed" : i % 7 === 3 ? "stopped" : "done";
    const step = state === "done" ? steps : Math.floor(steps * uniform());
    const loss = 1.4 + uniform() * 1.6;
    const name = `${experiment}-${variant}`;
    const stamp = created
      .toISOString()
      .replace(/[-:]|\..*/g, "")
      .replace("T", "-");
    const id = `${name}-${stamp}-${i.toString(16).padStart(4, "0")}`;
    const total = 2_000_000 + Math.floor(uniform() * 30_000_000);
    const { record = {}, notes } = special(i);
    const made: RunRecord = {
      id,
      name,
      state,
      plan: {
        experiment: `${experiment}.lathe.md`,
        name,
        folder: ".",
        variant,
        sweep: i % 3 === 0 ? { "train.learning_rate": pick([0.0003, 0.001, 0.003]) } : {},
        seed: 40 + (i % 3),
        device: "cpu",
        data: { tokenizer: "bytes", sequence_len: pick([128, 256]) },
        model: { model_type: "phi3", hidden_size: pick([128, 192, 256]), num_hidden_layers: 2 },
        baseModel: undefined,
        steps: [{ index: 0, action: "train", options: { max_steps: steps, learning_rate: 0.001 }, key: "0" }],
      },
      createdAt: created.toISOString(),
      startedAt: created.toISOString(),
      endedAt: new Date(created.getTime() + 1_500_000).toISOString(),
      seconds: Math.round(60 + uniform() * 9000),
      device: { name: "cpu", description: "2 threads", reason: "asked for" },
      counts: { nonEmbedding: counts(Math.floor(total * 0.6)), total: counts(total) },
      progress: { step, steps, action: "train" },
      summary: {
        "train/loss": { last: loss, min: loss - 0.05 * uniform(), max: 5.6 },
        "eval/loss": { last: loss + 0.2, min: loss + 0.15 * uniform(), max: 5.7 },
        "eval/perplexity": { last: Math.exp(loss + 0.2), min: Math.exp(loss + 0.1), max: 290 },
        "train/learning_rate": { last: 1e-5, min: 1e-5, max: 1e-3 },
      },
      notices: [],
      ...(state === "failed"
        ? { failure: { code: "diverged", message: "The loss is not a number at step 212." } }
        : {}),
      ...record,
    };
    const folder = join(runs, id);
    mkdirSync(folder);
    writeFileSync(join(folder, "run.json"), JSON.stringify(made));
    const written = notes ?? { tags: pick(tagged), notes: pick(remarks), star: uniform() < 0.1 };
    writeFileSync(join(folder, "notes.json"), JSON.stringify(written));
    return folder;
  });
}

function counts(stored: number): Counts {
  return { trainable: stored, stored, nonZero: stored - 1000, bits: stored * 32, bytes: stored * 4 + 4096 };
}
