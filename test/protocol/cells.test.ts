import { fromMarkdown } from "mdast-util-from-markdown";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { describe, expect, test } from "vitest";
import { splitCells } from "../../src/protocol/cells";

const bodies = (text: string) =>
  splitCells(text).pieces.flatMap(({ body }) => (body ? [text.slice(body.start, body.end)] : []));
const faults = (text: string) =>
  splitCells(text).faults.map(({ line, column, message }) => `${line}:${column}: ${message}`);

describe("cells of a Markdown file", () => {
  test("only fences whose language is yaml or yml are cells, whatever attributes follow", () => {
    const text =
      "```yaml\na: 1\n```\n~~~ yml\nb: 2\n~~~\n```json\n{}\n```\n```yaml title=x\nc: 3\n```\n```\nd\n```\n" +
      '```yaml {#cell .numberLines}\ne: 5\n```\n```YAML{1,3}\nf: 6\n```\n~~~yml title="`x`"\ng: 7\n~~~\n```yamlish\nh: 8\n```\n';
    expect(bodies(text)).toEqual(["a: 1\n", "b: 2\n", "c: 3\n", "e: 5\n", "f: 6\n", "g: 7\n"]);
  });

  test.each([
    ["```\nmodel: {}\n```", "1:1: this block looks like a cell but has no language"],
    ["```yamll\ntrain:\n  x: 1\n```", '1:1: this block looks like a cell but has the language "yamll"'],
    ["~~~{.yaml}\ndata: {}\n~~~", '1:1: this block looks like a cell but has the language "{.yaml}"'],
    [" ```lathe\nsweep:\n```", '1:2: this block looks like a cell but has the language "lathe"'],
    ["- a\n\n      ```yaml\n      model: {}\n      ```", "3:7: this yaml block is inside a list"],
    ["> ```yaml\n> model: {}\n> ```", "1:3: this yaml block is inside a list, a quotation"],
    ["- ```yml\n  model: {}\n  ```", "1:3: this yaml block is inside a list"],
  ])("%j looks like a cell and is a warning", (text, message) => {
    const { warnings } = splitCells(text);
    expect(warnings.map((each) => `${each.line}:${each.column}: ${each.message}`)[0]).toContain(message);
    expect(bodies(text)).toEqual([]);
  });

  test.each([
    "```text\nmodel: {}\n```",
    "```python\nx = 1\n```",
    "```\nmodels\n```",
    "````text\n> ```yaml\n````",
  ])("%j is prose without a warning", (text) => {
    expect(splitCells(text)).toMatchObject({ warnings: [], faults: [] });
  });

  test("a fence inside a longer fence is text", () => {
    expect(bodies("````markdown\n```yaml\na: 1\n```\n````\n```yaml\nb: 2\n```\n")).toEqual(["b: 2\n"]);
    expect(bodies("~~~\n```yaml\na: 1\n```\n~~~\n")).toEqual([]);
    expect(bodies("```yaml\n~~~\na: 1\n```")).toEqual(["~~~\na: 1\n"]);
  });

  test("an HTML comment hides the cells in it", () => {
    expect(bodies("<!-- off:\n\n```yaml\na: 1\n```\n-->\n\n```yaml\nb: 2\n```\n")).toEqual(["b: 2\n"]);
    expect(bodies("<!-- a -->\n```yaml\na: 1\n```\n")).toEqual(["a: 1\n"]);
  });

  test("lines, offsets and line ends are those of the file", () => {
    const text = "\uFEFF# T\r\n\r\n```yaml\r\na: 1\r\n```\r\nend";
    const { pieces } = splitCells(text);
    expect(pieces.map(({ kind, firstLine, lastLine }) => [kind, firstLine, lastLine])).toEqual([
      ["prose", 1, 2],
      ["cell", 3, 5],
      ["prose", 6, 6],
    ]);
    expect(pieces[1]!.body).toEqual({ start: 17, end: 23, firstLine: 4 });
  });

  test("a yaml block that would be lost is a fault", () => {
    expect(faults("- item\n\n  ```yaml\n  a: 1\n  ```\n")).toMatchInlineSnapshot(`
      [
        "3:3: a yaml block is a cell only where its fence starts in the first column. Move it there, or give it another info string",
      ]
    `);
    expect(faults("<details>\n```yaml\na: 1\n```\n</details>\n")).toMatchInlineSnapshot(`
      [
        "2:1: this yaml block belongs to the HTML above it. Leave an empty line between them",
      ]
    `);
    expect(faults("text\n\n~~~~yaml\na: 1\n~~~\n")).toMatchInlineSnapshot(`
      [
        "3:1: the block that opens here is never closed. Add a line with ~~~~",
      ]
    `);
  });

  test("the pieces of any text joined are the text, and the cells are those of a full Markdown parser", () => {
    const lines = [
      "",
      "text",
      "```yaml",
      "```",
      "~~~",
      "````",
      "a: 1",
      "# title",
      "> quote",
      "    code",
      "---",
      "<!--",
      "-->",
      "```yml",
      "``` js",
      "1. one",
      "<b>x</b>",
    ];
    const random = xoroshiro128plus(7);
    const pick = (count: number) => uniformInt(random, 0, count - 1);
    let compared = 0;
    for (let round = 0; round < 3000; round++) {
      const end = ["\n", "\r\n", "\r"][pick(3)]!;
      const chosen = Array.from({ length: pick(9) }, () => lines[pick(lines.length)]!);
      const text = chosen.join(end) + (pick(2) === 0 ? end : "");
      const cut = splitCells(text);
      expect(cut.pieces.map(({ start, end: last }) => text.slice(start, last)).join("")).toBe(text);
      if (cut.faults.length > 0) continue;
      compared++;
      const expected = fromMarkdown(text)
        .children.filter((node) => node.type === "code")
        .filter(({ lang, meta }) => /^ya?ml$/.test(lang ?? "") && meta === null)
        .map(({ position, value }) => [position?.start.line, value.replaceAll(/\r\n?/g, "\n")]);
      const found = cut.pieces
        .filter(({ kind }) => kind === "cell")
        .map(({ firstLine, body }) => [
          firstLine,
          text.slice(body!.start, body!.end).replaceAll(/\r\n?/g, "\n").replace(/\n$/, ""),
        ]);
      expect(found, JSON.stringify(text)).toEqual(expected);
    }
    expect(compared).toBeGreaterThan(1000);
  });

  test("a hostile file of the largest size is split immediately", () => {
    const started = performance.now();
    for (const part of ["- ", "> ", "word *x* [a](b)\n", "```yaml\na: 1\n```\n", "<b>\n", "<!--"])
      splitCells(part.repeat(262_144 / part.length));
    expect(performance.now() - started).toBeLessThan(3000);
  });
});
