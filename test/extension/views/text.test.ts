import { expect, test } from "vitest";
import { clock, count, figure, percent, plural } from "../../../src/extension/views/quantities";
import {
  experimentTitle,
  fileName,
  markdownText,
  oneLine,
  unlinked,
} from "../../../src/extension/views/text";
import { hostile } from "./someRun";

test.each([
  [0, "0:00"],
  [12.4, "0:12"],
  [185, "3:05"],
  [3723, "1:02:03"],
  [172_800, "2 d 0 h"],
  [-5, "0:00"],
  [Infinity, "0:00"],
])("%d seconds are %s", (seconds, text) => expect(clock(seconds)).toBe(text));

test.each([
  [1.6234, "1.62"],
  [0, "0.00"],
  [123.4, "123"],
  [1234.5, "1235"],
  [0.00012, "1.20e−4"],
  [-2, "−2.00"],
  [NaN, "not a number"],
  [-Infinity, "−∞"],
])("%d is shown as %s", (value, text) => expect(figure(value)).toBe(text));

test("counts have their commas, nouns their number, and shares stay between 0 and 99", () => {
  expect([count(1234567), plural(1, "run"), plural(0, "run"), plural(5000, "run")]).toEqual([
    "1,234,567",
    "1 run",
    "0 runs",
    "5,000 runs",
  ]);
  expect([percent(-1), percent(0.435), percent(1)]).toEqual(["0 %", "43 %", "99 %"]);
});

test("text is cut at a letter, never within one", () => {
  expect(oneLine("😀".repeat(300), 10)).toBe(`${"😀".repeat(9)}…`);
  expect(oneLine("  a \n\t b  ")).toBe("a b");
});

test("messages make neither links nor pictures", () => {
  expect(unlinked("[a](command:x) $(zap) [b] (c) $5")).toBe("[a]\u200b(command:x) $\u200b(zap) [b] (c) $5");
  expect(markdownText(hostile)).not.toMatch(/(?<!\\)[[\]()<>`*_$|#&@:]/);
});

test("paths lose their folder, whichever way the slashes lean", () => {
  expect(fileName("/a/b.txt")).toBe("b.txt");
  expect(fileName("C:\\a\\b.txt\\")).toBe("b.txt");
  expect(experimentTitle("/a/first.lathe.md")).toBe("first");
  expect(experimentTitle("/a/plain.yaml")).toBe("plain");
});
