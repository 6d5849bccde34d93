import { expect, test } from "vitest";
import { describeDifference, type LossProtocol } from "../../src/protocol/lossProtocol";
import { areComparable, type MeasuredRun, ProtocolMarks } from "../../src/protocol/protocolMarks";

const whole: LossProtocol = {
  data: "a.txt",
  split: "validation",
  hash: "aa",
  tokens: 8192,
  method: "sequences of 128, mean over tokens",
};
const part = { ...whole, hash: "bb", tokens: 4096, method: "sequences of 64, mean over tokens" };
const other = { ...whole, data: "b.txt", hash: "cc" };

function measure(name: string, protocol: LossProtocol | undefined, hasValue = true): MeasuredRun {
  return {
    id: name,
    createdAt: `2026-01-0${name.length}`,
    metrics: hasValue ? { "eval/loss": { last: 1, min: 1, max: 1 } } : {},
    ...(protocol === undefined ? {} : { losses: { "eval/loss": protocol } }),
  };
}

test("a difference takes few words", () => {
  expect(describeDifference(part, whole)).toBe(
    "4,096 tokens instead of 8,192 tokens; sequences of 64 instead of sequences of 128",
  );
  expect(describeDifference(other, whole)).toBe(
    "other text, b.txt, validation split instead of a.txt, validation split",
  );
  expect(describeDifference({ ...whole, hash: "dd" }, whole)).toBe("other text under the same name");
  expect(describeDifference({ ...whole, method: `${whole.method}, documents apart` }, whole)).toBe(
    "documents apart",
  );
});

test("letters are given over all runs, the oldest first, and only where the shown ones differ", () => {
  const [a, b, c, unknown] = [
    measure("x", whole),
    measure("xx", part),
    measure("xxx", other),
    measure("xxxx", undefined),
  ];
  const all = [c, unknown, a, b];
  const marks = new ProtocolMarks(() => all, [c, b, unknown]);
  expect(marks.metrics).toEqual(["eval/loss"]);
  expect([a, b, c, unknown].map((run) => marks.get(run, "eval/loss")?.letter)).toEqual([
    undefined,
    "B",
    "C",
    undefined,
  ]);
  expect(marks.get(b, "eval/loss")!.title).toContain("Not comparable with C: other text, a.txt");
  expect(marks.explain("eval/loss")).toMatch(/^eval\/loss was measured in 2 ways/);
  expect([unknown, c, b].sort((first, second) => marks.compare(first, second, "eval/loss"))).toEqual([
    b,
    c,
    unknown,
  ]);
  expect(new ProtocolMarks(() => all, [a, unknown, measure("late", part, false)]).metrics).toEqual([]);
  expect(areComparable([a, unknown], "eval/loss")).toBe(true);
  expect(areComparable([a, b], "eval/loss")).toBe(false);
});
