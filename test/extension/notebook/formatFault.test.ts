import { describe, expect, test } from "vitest";
import { formatFault } from "../../../src/extension/notebook/formatFault";
import { WorkbenchError } from "../../../src/protocol/errors";

const file = "/home/o'neil/<b>/first.lathe.md";
const linkTo = (line: number) => (line < 100 ? `vscode-notebook-cell:/x#c?line=${line}` : undefined);
const said = (message: string, details = {}) =>
  formatFault(new WorkbenchError("invalid-input", message, details), { file, linkTo });

describe("an error under a cell", () => {
  test("its places are links, shortened to the name of the file", () => {
    expect(said(`${file}:3:5: unknown key "a".\n${file}:200:1: no value.`)).toBe(
      "<a href='vscode-notebook-cell:/x#c?line=3'>first.lathe.md:3:5</a>: unknown key \"a\".\nfirst.lathe.md:200:1: no value.",
    );
  });

  test("a place that the message leaves out is added before it", () => {
    expect(said("No such file.", { position: { file, line: 7, column: 2 } })).toBe(
      "<a href='vscode-notebook-cell:/x#c?line=7'>first.lathe.md:7:2</a>: No such file.",
    );
  });

  test("nothing else in it is a link, a tag or a terminal escape", () => {
    const text = said(`<a href='command:x'><img src=x onerror=y></a> \u001B[31mred </b><!-- ${file}:1:1`);
    expect(text.replaceAll(/<a href='vscode-notebook-cell:[^']*'>|<\/a>$/g, "")).not.toMatch(/<[a-z/!?]/i);
    expect(text).not.toContain("\u001B");
    expect(said("1 < 2 <3")).toBe("1 < 2 <3");
  });

  test("long lines are broken between words", () => {
    const lines = said(`Allowed: ${Array.from({ length: 60 }, (_, i) => `word_${i}`).join(", ")}.`).split(
      "\n",
    );
    expect(lines.length).toBeGreaterThan(4);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(104);
  });
});
