import { expect, test } from "vitest";
import { getFileName } from "../../../src/protocol/fileName";
import {
  getExperimentTitle,
  escapeMarkdown,
  toSingleLine,
  escapeLinks,
} from "../../../src/extension/views/text";
import { hostile } from "./someRun";

test("text is truncated between characters, never within one", () => {
  expect(toSingleLine("😀".repeat(300), 10)).toBe(`${"😀".repeat(9)}…`);
  expect(toSingleLine("  a \n\t b  ")).toBe("a b");
});

test("messages contain neither links nor pictures", () => {
  expect(escapeLinks("[a](command:x) $(zap) [b] (c) $5")).toBe(
    "[a]\u200b(command:x) $\u200b(zap) [b] (c) $5",
  );
  expect(escapeMarkdown(hostile)).not.toMatch(/(?<!\\)[[\]()<>`*_$|#&@:]/);
});

test("paths lose their folder, with either kind of slash", () => {
  expect(getFileName("/a/b.txt")).toBe("b.txt");
  expect(getFileName("C:\\a\\b.txt\\")).toBe("b.txt");
  expect(getExperimentTitle("/a/first.lathe.md")).toBe("first");
  expect(getExperimentTitle("/a/plain.yaml")).toBe("plain");
});
