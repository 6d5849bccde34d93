import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createEvaluateBlocks } from "../../../../src/backend/service/results/stepBlocks";
import { StepFiles } from "../../../../src/backend/service/results/stepFiles";
import { temporaryFolder } from "../../runs/workbench";

function createBlocks(results: object) {
  const run = temporaryFolder();
  mkdirSync(join(run, "steps/2-evaluate"), { recursive: true });
  writeFileSync(join(run, "steps/2-evaluate/eval.json"), JSON.stringify(results));
  return createEvaluateBlocks(new StepFiles(run, "steps/2-evaluate"));
}

test("a metric with a figure has it after its table", () => {
  const cells = [{ length: 64, depth: 0.5, correct: 3, samples: 4 }];
  const kept = { tokens: ["a", "b"], layers: [[[1]]] };
  const blocks = createBlocks({
    retrieval: { values: { "retrieval/accuracy": 0.75 }, details: { cells } },
    cache: { values: { "cache/tokens": 1 }, details: { policy: "window", kept } },
    repetition: { values: { "repetition/rate": 0.5 }, details: {} },
  });
  expect(blocks.map((block) => [block.kind, block.kind === "table" ? block.rows : ""])).toEqual([
    ["table", [["0.5", "3 of 4"]]],
    ["figure", ""],
    ["table", [["cache/tokens", 1]]],
    ["figure", ""],
    ["table", [["repetition/rate", 0.5]]],
  ]);
  expect(blocks[3]).toEqual({
    kind: "figure",
    title: "Tokens in the cache",
    caption: "window, 1 of 2 tokens in a head",
    data: {
      kind: "keptTokens",
      tokens: 2,
      tokensPerColumn: 1,
      texts: ["a", "b"],
      rows: [{ layer: "layer 0", head: 0, heads: 1, counts: [0, 1] }],
    },
  });
});

test("a metric whose details are damaged keeps its numbers", () => {
  const kept = { tokens: ["a", "b"], layers: [[[7]]] };
  const blocks = createBlocks({
    cache: { values: { "cache/tokens": 1 }, details: { policy: "window", kept } },
  });
  expect(blocks.map(({ kind }) => kind)).toEqual(["table"]);
});
