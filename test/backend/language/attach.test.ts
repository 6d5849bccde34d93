import { describe, expect, test } from "vitest";
import { attach, type EarlierRun } from "../../../src/backend/language/attach";
import { cells, file, language } from "./editor";

const head =
  'data: {text: "*.txt", sequence_len: 16}\nmodel: {model_type: phi3, hidden_size: 64, num_attention_heads: 4, num_hidden_layers: 1, intermediate_size: 128, max_position_embeddings: 32}';
const train = "train: {max_steps: 5}";
const evaluate = "evaluate: {counts: {}}";

/** Runs of a text, one per plan, as in their records, named by the seconds from the epoch to their creation. */
function ran(seconds: number, ...bodies: readonly string[]): EarlierRun[] {
  const { plans, faults } = language.analyze({ file, text: cells(...bodies) });
  expect(faults).toEqual([]);
  return plans.map((plan, i) => ({
    run: `${seconds}${i === 0 ? "" : `.${i}`}`,
    plan: JSON.parse(JSON.stringify(plan)) as typeof plan,
    createdAt: new Date(seconds * 1000).toISOString(),
  }));
}

const attached = (runs: readonly EarlierRun[], ...bodies: readonly string[]) =>
  language
    .attach({ file, text: cells(...bodies) }, runs)
    .map(
      ({ run, cell, steps, stale }) =>
        `${run}: cell ${cell}, steps ${steps.join("+")}${stale ? ", stale" : ""}`,
    );

describe("results are attached to their cells", () => {
  test("of unchanged text, from the newest run", () => {
    const runs = [...ran(1, head, train, evaluate), ...ran(2, head, train, evaluate)];
    expect(attached(runs, head, train, evaluate)).toEqual(["2: cell 1, steps 0", "2: cell 2, steps 1"]);
  });

  test("across inserted prose and cells", () => {
    expect(
      attached(ran(1, head, train, evaluate), "# nothing", head, "seed: 0", `${train}\n${evaluate}`),
    ).toEqual(["1: cell 3, steps 0+1"]);
  });

  test("a change makes the results at and below it stale, not those above", () => {
    const runs = ran(1, head, train, evaluate, "export: {format: onnx}");
    expect(attached(runs, head, train, "evaluate: {perplexity: {}}", "export: {format: onnx}")).toEqual([
      "1: cell 1, steps 0",
      "1: cell 2, steps 1, stale",
      "1: cell 3, steps 2",
    ]);
    expect(
      attached(runs, head, "train: {max_steps: 6}", evaluate, "export: {format: onnx}").every((line) =>
        line.endsWith("stale"),
      ),
    ).toBe(true);
  });

  test("a cell shows the newest run that executed it, but prefers an older one with the same text", () => {
    // The second run ended after the first action, as when a single cell is run.
    const runs = [...ran(1, head, train, evaluate), ...ran(2, head, train)];
    expect(attached(runs, head, train, evaluate)).toEqual(["2: cell 1, steps 0", "1: cell 2, steps 1"]);
    const edited = [...ran(1, head, train, evaluate), ...ran(2, head, "train: {max_steps: 9}", evaluate)];
    expect(attached(edited, head, train, evaluate)).toEqual(["1: cell 1, steps 0", "1: cell 2, steps 1"]);
    expect(attached(edited, head, "train: {max_steps: 7}", evaluate)).toEqual([
      "2: cell 1, steps 0, stale",
      "2: cell 2, steps 1, stale",
    ]);
  });

  test("separately for each variant, sweep point and seed", () => {
    const branches = [
      head,
      "variants: {a: {}, b: {train: null}}",
      "sweep: {train.learning_rate: [1e-3, 1e-4]}",
      train,
      evaluate,
    ];
    expect(attached(ran(1, ...branches), ...branches)).toEqual([
      "1: cell 3, steps 0",
      "1: cell 4, steps 1",
      "1.1: cell 3, steps 0",
      "1.1: cell 4, steps 1",
      "1.2: cell 4, steps 0",
    ]);
    // A variant and a point that are no longer in the text are left out.
    expect(attached(ran(1, ...branches), head, "variants: {b: {train: null}}", train, evaluate)).toEqual([
      "1.2: cell 3, steps 0",
    ]);
    expect(attached(ran(1, head, "seed: 3", train), head, "seed: 4", train)).toEqual([]);
  });

  test("a list of methods gives as many steps in one cell", () => {
    const compress = "compress: [{magnitude: {sparsity: 0.2}}, {magnitude: {sparsity: 0.4}}]";
    const runs = ran(1, head, compress, train);
    expect(attached(runs, head, compress, train)).toEqual(["1: cell 1, steps 0+1", "1: cell 2, steps 2"]);
    expect(attached(runs, head, "compress: {magnitude: {sparsity: 0.2}}", train)).toEqual([
      "1: cell 1, steps 0",
      "1: cell 2, steps 2, stale",
    ]);
  });

  test("another version of the program does not make results stale", () => {
    const [run] = ran(1, head, train);
    const old = {
      ...run!,
      plan: { ...run!.plan, steps: run!.plan.steps.map((step) => ({ ...step, key: "of another version" })) },
    };
    expect(attached([old], head, train)).toEqual(["1: cell 1, steps 0"]);
  });

  test("while the text has faults, the newest of each variant are shown as earlier results", () => {
    const runs = [...ran(1, head, train, evaluate), ...ran(2, head, train, evaluate)];
    expect(attached(runs, head, "train: {max_steps: }", evaluate)).toEqual([
      "2: cell 1, steps 0, stale",
      "2: cell 2, steps 1, stale",
    ]);
    expect(attach(language.analyze({ file, text: "" }), language.outline({ file, text: "" }), runs)).toEqual(
      [],
    );
  });
});
