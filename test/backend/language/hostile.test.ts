import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { cells, file, language } from "./editor";

const folder = resolve("examples");
const examples = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".lathe.md"),
);

/** Every request that can be made about a text while it is typed. */
function ask(text: string, offset = text.length): void {
  language.complete({ file, text, offset });
  language.hover({ file, text, offset });
  const lines = text.split(/\r\n|\r|\n/);
  for (const { range } of language.check({ file, text })) {
    expect(range.line).toBeLessThanOrEqual(range.endLine);
    expect(range.endLine).toBeLessThanOrEqual(lines.length);
    expect(range.endColumn).toBeLessThanOrEqual(lines[range.endLine - 1]!.length + 1);
    expect(range.line < range.endLine || range.column <= range.endColumn).toBe(true);
  }
  language.outline({ file, text });
}

test.each(examples)("examples/%s can be typed", (name) => {
  const text = readFileSync(join(folder, name), "utf8");
  const start = text.indexOf("```yaml");
  // Prose gives no results. Step sizes without a common divisor reach every kind of place.
  for (let end = start; end <= text.length; end += 7)
    language.complete({ file, text: text.slice(0, end), offset: end });
  for (let end = start; end <= text.length; end += 61) ask(text.slice(0, end));
  for (let offset = 0; offset <= text.length; offset += 37) ask(text, offset);
  expect(language.check({ file, text })).toEqual([]);
});

test.each([
  ["nothing", ""],
  ["one bar", "|"],
  ["deep flow", cells(`a: ${"[".repeat(20_000)}`)],
  ["deep maps", cells("{a: ".repeat(20_000))],
  ["deep blocks", cells(Array.from({ length: 3000 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"))],
  [
    "aliases that multiply",
    cells(
      `a: &a [x, x]\n${Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [*${i === 0 ? "a" : `b${i - 1}`}, *${i === 0 ? "a" : `b${i - 1}`}]`).join("\n")}`,
    ),
  ],
  ["an alias of itself", cells("train: &a {x: *a}")],
  [
    "prototype keys",
    cells(
      "__proto__: {a: 1}\nconstructor: 3\nmodel: {__proto__: {}, toString: 1}\nvariants: {__proto__: {train: {}}, constructor: {model: {}}}",
    ),
  ],
  ["keys of every kind", cells("? [a]\n: 3\n1: 2\nnull: 3\ntrue: 4\n'': 5\n? {a: 1}\n: {b: 2}")],
  ["tags", cells("train: !!js/function 'x'\nmodel: !!binary aGk=\ndata: !foo {a: 1}")],
  ["many cells", cells(...Array.from({ length: 1000 }, () => "train: {max_steps: x}"))],
  ["many keys", cells(`train: {${Array.from({ length: 2000 }, (_, i) => `k${i}: ${i}`).join(", ")}}`)],
  ["many variants", cells(`variants: {${Array.from({ length: 1000 }, (_, i) => `v${i}: {}`).join(", ")}}`)],
  ["too long", "x".repeat(300_000)],
  ["control letters", cells("train: \u0000\u001b[31m\ufeff\u2028\nmodel: {model_type: \ud800}")],
  ["private letters", cells("train: {\ue000: 3}\n\ue000")],
  ["carriage returns alone", "```yaml\rtrain: {\r```\r"],
  ["fences", "```".repeat(5000)],
] as const)("%s is answered at every place, soon", { timeout: 120_000 }, (_, text) => {
  // CPU time, since a clock also measures other processes.
  const before = process.cpuUsage();
  for (const offset of [0, 9, 12, text.length >> 1, text.length - 5, text.length, text.length + 100, -1]) {
    language.complete({ file, text, offset });
    language.hover({ file, text, offset });
  }
  language.check({ file, text });
  language.outline({ file, text });
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1e6).toBeLessThan(15);
});
