/** What a card presupposes before it answers: equal resources, and losses that are of the same text. */
import { describe, expect, test } from "vitest";
import type { RunFigures } from "../../../src/backend/card/figures";
import { createCardBlocks, createPaperCard, summarizeCard } from "../../../src/backend/card/paperCard";
import type { LossProtocol } from "../../../src/protocol/lossProtocol";
import { paperSchema } from "../../../src/schema/paper";

const protocol = (hash: string, length = 128): LossProtocol => ({
  data: "*.txt",
  split: "validation",
  hash,
  tokens: 16_384,
  method: `sequences of ${length}, mean over tokens`,
});

interface Given {
  readonly flops?: number;
  readonly steps?: number;
  readonly bits?: number;
  readonly protocol?: LossProtocol;
  readonly rate?: number;
}

function runs(variant: string, losses: readonly number[], { bits = 3200, rate, ...given }: Given = {}) {
  return losses.map((loss, seed): RunFigures => ({
    variant,
    scale: undefined,
    point: rate === undefined ? "" : `compress.fpp.sparsity ${rate}`,
    ...(rate === undefined ? {} : { rate }),
    seed,
    tokens: 1000,
    ...(given.flops === undefined ? {} : { flops: given.flops }),
    ...(given.steps === undefined ? {} : { steps: given.steps }),
    ...(given.protocol === undefined ? {} : { protocols: { "eval/loss": given.protocol } }),
    values: { "eval/loss": loss, "parameters/non_embedding": 100, "parameters/bits": bits },
  }));
}

const question = { question: "Is it as good?", variant: "control", against: "own" };
const answer = (rule: object, figures: readonly RunFigures[]) => {
  const paper = paperSchema.parse({ title: "A paper", questions: [{ ...question, ...rule }] });
  const card = createPaperCard(paper, figures);
  return [card.answers[0]!.answer, summarizeCard(card).at(-1)];
};

describe("a question that presupposes something equal", () => {
  const [losses, better] = [
    [2, 2.1, 2],
    [1.8, 1.9, 1.8],
  ];

  test("is answered where it is, within the allowed difference", () => {
    const figures = [...runs("control", better, { flops: 1.004e9 }), ...runs("own", losses, { flops: 1e9 })];
    expect(answer({ equal: "flops" }, figures)[0]).toBe("yes");
  });

  test("is not comparable where an override has broken it, with both numbers", () => {
    const figures = [
      ...runs("control", better, { flops: 5e8, steps: 30 }),
      ...runs("own", losses, { flops: 1e9, steps: 30 }),
    ];
    expect(answer({ equal: ["steps", "flops"] }, figures)).toEqual([
      "not comparable",
      "Is it as good? Not comparable, equal training FLOPs are presupposed, but control has 5.00e+8 and own has 1.00e+9 (100.0 % more; 1 % is allowed).",
    ]);
    expect(answer({ equal: "steps" }, figures)[0]).toBe("yes");
    expect(answer({}, figures)[0]).toBe("yes");
  });

  test("is not comparable where a number is not known", () => {
    const figures = [...runs("control", better, { flops: 5e8 }), ...runs("own", losses)];
    expect(answer({ equal: "flops" }, figures)).toEqual([
      "not comparable",
      "Is it as good? Not comparable, equal training FLOPs are presupposed, but those of own are not known.",
    ]);
  });

  test("looks at every seed", () => {
    const [first, ...rest] = runs("own", losses, { bits: 3200 });
    const odd = { ...rest[1]!, values: { ...rest[1]!.values, "parameters/bits": 6400 } };
    const figures = [...runs("control", better), first!, rest[0]!, odd];
    expect(answer({ equal: "bits" }, figures)[1]).toContain("control has 3,200 and own has 6,400");
  });
});

describe("losses of different text or protocols", () => {
  const figures = [
    ...runs("control", [1.8, 1.9], { protocol: protocol("aaaaaaaaaa") }),
    ...runs("own", [2, 2.1], { protocol: protocol("bbbbbbbbbb") }),
  ];

  test("are not compared, and both measurements are named", () => {
    expect(answer({}, figures)).toEqual([
      "not comparable",
      "Is it as good? Not comparable, eval/loss of control was measured on 16,384 tokens of *.txt, validation split (ids aaaaaaaa), sequences of 128, mean over tokens, and of own on 16,384 tokens of *.txt, validation split (ids bbbbbbbb), sequences of 128, mean over tokens.",
    ]);
  });

  test("are compared in what does not depend on the text", () => {
    expect(answer({ quantity: "parameters/bits" }, figures)[0]).toBe("yes");
  });

  test("have letters in the table of the models, which are explained below it", () => {
    const paper = paperSchema.parse({ title: "A paper" });
    const blocks = createCardBlocks(paper, createPaperCard(paper, figures));
    expect(blocks[0]).toMatchObject({
      kind: "table",
      columns: expect.arrayContaining(["measured as"]) as string[],
    });
    expect(blocks[0]!.kind === "table" && blocks[0]!.rows.map((row) => row.at(-1))).toEqual(["A", "B"]);
    expect(blocks.slice(1).map((block) => block.kind === "text" && block.text)).toEqual([
      "The eval/loss of these runs is not comparable across letters, because it was measured on different text or in different ways.",
      "A: 16,384 tokens of *.txt, validation split (ids aaaaaaaa), sequences of 128, mean over tokens.",
      "B: 16,384 tokens of *.txt, validation split (ids bbbbbbbb), sequences of 128, mean over tokens.",
    ]);
  });
});

test("a rate whose runs were trained for longer is listed as not comparable, not left out", () => {
  const paper = paperSchema.parse({
    title: "A paper",
    baseline: "dense",
    rates: [{ quantity: "eval/loss", equal: "steps" }],
  });
  const { rates } = createPaperCard(paper, [
    ...runs("dense", [2, 2.1], { steps: 100 }),
    ...runs("fpp", [2.2, 2.3], { steps: 100, rate: 0.5 }),
    ...runs("fpp", [2, 2.1], { steps: 200, rate: 0.7 }),
  ]);
  expect(rates[0]!.points.map(({ rate }) => rate)).toEqual([0.5]);
  expect(rates[0]!.incomparable).toEqual([
    {
      rate: 0.7,
      reason:
        "equal training steps are presupposed, but fpp (compress.fpp.sparsity 0.7) has 200 and dense has 100 (100.0 % more; 1 % is allowed)",
    },
  ]);
});

test("a control of equal size is not compared with a model whose loss is of other text", () => {
  const paper = paperSchema.parse({
    title: "A paper",
    baseline: "dense",
    controls: [{ variant: "smaller" }],
  });
  const card = createPaperCard(paper, [
    ...runs("dense", [2, 2.1], { bits: 4000, protocol: protocol("aaaaaaaaaa") }),
    ...runs("smaller", [2.4, 2.5], { bits: 2000, protocol: protocol("aaaaaaaaaa") }),
    ...runs("fpp", [2.1, 2.2], { bits: 3000, protocol: protocol("aaaaaaaaaa", 64) }),
  ]);
  expect(card.sized[0]!.points).toEqual([]);
  expect(summarizeCard(card)).toEqual([
    expect.stringMatching(/^fpp is not comparable: eval\/loss of fpp was measured on .* sequences of 64, /),
  ]);
});
