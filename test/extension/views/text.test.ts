import { expect, test } from "vitest";
import { fileName } from "../../../src/protocol/fileName";
import { experimentTitle, markdownText, oneLine, unlinked } from "../../../src/extension/views/text";
import { hostile } from "./someRun";

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
