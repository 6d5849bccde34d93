import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { describe, expect, test } from "vitest";
import {
  type CellText,
  composeNotebook,
  decodeNotebook,
  encodeNotebook,
  type NotebookText,
  parseNotebook,
} from "../../../src/extension/notebook/cellText";
import { splitCells } from "../../../src/protocol/cells";

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (notebook: NotebookText) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(encodeNotebook(notebook));
const values = ({ cells }: NotebookText) => cells.map(({ kind, value }) => [kind, value]);
const withCells = (notebook: NotebookText, cells: readonly CellText[]): NotebookText => ({
  ...notebook,
  cells,
});
const edited = (notebook: NotebookText, index: number, value: string) =>
  withCells(
    notebook,
    notebook.cells.map((cell, at) => (at === index ? { ...cell, value } : cell)),
  );
const prose = (value: string): CellText => ({ kind: "prose", value });
const code = (value: string): CellText => ({ kind: "code", value, language: "yaml" });
/** What the experiment parser reads from the file: the bodies of its cells. */
const bodies = (text: string) =>
  splitCells(text).pieces.flatMap(({ body }) =>
    body ? [text.slice(body.start, body.end).replaceAll(/\r\n?/g, "\n")] : [],
  );

const lines = [
  "",
  "",
  "   ",
  "\t",
  "text",
  "# title",
  "- item",
  "> quote",
  "    code",
  "a: 1",
  "---",
  "```yaml",
  "```yaml",
  "~~~ yml",
  "````yaml",
  "```",
  "```",
  "~~~",
  "````",
  "  ```",
  "``` ",
  "```json",
  "  ```yaml",
  "<!--",
  "-->",
  "<pre>",
  "</pre>",
  "<b>x</b>",
  "<details>",
  "\u2028",
  "\u00A0",
  "é😀",
  "\f",
];

function generator(seed: number) {
  const random = xoroshiro128plus(seed);
  const pick = (count: number) => uniformInt(random, 0, count - 1);
  const one = <T>(from: readonly T[]): T => from[pick(from.length)]!;
  const some = (most: number) => Array.from({ length: pick(most + 1) }, () => one(lines));
  return {
    pick,
    value: () => some(5).join("\n"),
    file: () => {
      const ends = one([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n"], ["\n", "\r\n", "\r"]]);
      const text = some(12)
        .map((line) => line + one(ends))
        .join("");
      const cut = pick(2) === 0 ? text.replace(/(\r\n|\r|\n)$/, "") : text;
      return (pick(8) === 0 ? "\uFEFF" : "") + cut;
    },
  };
}

const files = readdirSync("examples", { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".lathe.md"),
);

describe("the text of a notebook", () => {
  test.each(files)("%s is saved as it was opened", (file) => {
    const content = readFileSync(path.join("examples", file));
    const notebook = decodeNotebook(content);
    expect(Buffer.from(encodeNotebook(notebook)).equals(content)).toBe(true);
    expect(notebook.cells.filter(({ kind }) => kind === "code").length).toBeGreaterThan(0);
    // An ordinary file needs no metadata besides its visible text.
    expect(notebook.cells.every(({ frame }) => frame?.source === undefined)).toBe(true);
  });

  test("any file that opens is saved unchanged, and its cells are those of the experiment", () => {
    const { file } = generator(1);
    let opened = 0;
    for (let round = 0; round < 20_000; round++) {
      const text = file();
      let notebook: NotebookText;
      try {
        notebook = parseNotebook(text);
      } catch {
        expect(splitCells(text).faults.some(({ message }) => message.includes("never closed"))).toBe(true);
        continue;
      }
      opened++;
      expect(textOf(notebook), JSON.stringify(text)).toBe(text);
      // The editor's handling of line ends does not matter.
      const normalised = notebook.cells.map((cell) => ({
        ...cell,
        value: cell.value.replaceAll("\n", "\r\n"),
      }));
      expect(textOf(withCells(notebook, normalised))).toBe(text);
      const codes = notebook.cells.filter(({ kind }) => kind === "code");
      expect(codes.map(({ value }) => value)).toEqual(bodies(text).map((body) => body.replace(/\n$/, "")));
    }
    expect(opened).toBeGreaterThan(8000);
  });

  test("after any edit, the file has the same code cells, opens again, and is then saved unchanged", () => {
    const { file, pick, value } = generator(2);
    let compared = 0;
    for (let round = 0; round < 20_000; round++) {
      let notebook: NotebookText;
      try {
        notebook = parseNotebook(file());
      } catch {
        continue;
      }
      const cells = [...notebook.cells];
      for (let edit = 0; edit <= pick(3); edit++) {
        const at = pick(cells.length + 1);
        const old = cells[at];
        const kind = pick(4);
        if (kind === 0 || old === undefined)
          cells.splice(at, 0, pick(2) === 0 ? prose(value()) : code(value()));
        else if (kind === 1) cells[at] = { ...old, value: value() };
        else if (kind === 2) cells.splice(at, 1);
        else cells.splice(pick(cells.length), 0, ...cells.splice(at, 1));
      }
      const { text, places } = composeNotebook(withCells(notebook, cells));
      const shown = text.split(/\r\n|\r|\n/);
      for (const { cell, valueLine, valueLines } of places)
        expect(shown.slice(valueLine, valueLine + valueLines).join("\n"), JSON.stringify(cells)).toBe(
          cells[cell]!.value,
        );
      const expected = cells.flatMap((cell) =>
        cell.kind === "code"
          ? [`${cell.value}\n`]
          : bodies(composeNotebook({ cells: [cell], frame: {} }).text),
      );
      const same = bodies(text).map((body) => (body === "" ? "\n" : body));
      expect(same, JSON.stringify([cells, notebook.frame, text])).toEqual(
        expected.map((body) => (body === "" ? "\n" : body)),
      );
      expect(textOf(parseNotebook(text)), JSON.stringify(text)).toBe(text);
      compared++;
    }
    expect(compared).toBeGreaterThan(8000);
  });

  test("editing, adding, removing and moving a cell changes nothing else", () => {
    const text =
      "\uFEFF\r\n# One\r\n\r\n\r\n~~~ yml\r\na: 1\r\n~~~~\r\ntext\n```yaml\r\nb: 2\r\n```  \r\n\t\r\nend\r\n\r\nof it";
    const notebook = parseNotebook(text);
    expect(values(notebook)).toEqual([
      ["prose", "# One"],
      ["code", "a: 1"],
      ["prose", "text"],
      ["code", "b: 2"],
      ["prose", "end\n\nof it"],
    ]);
    expect(textOf(edited(notebook, 1, "a: 1\nc: 3"))).toBe(text.replace("a: 1", "a: 1\r\nc: 3"));
    expect(textOf(edited(notebook, 4, "end"))).toBe(text.replace("end\r\n\r\nof it", "end"));
    const [first, ...rest] = notebook.cells;
    expect(textOf(withCells(notebook, rest))).toBe(text.replace("# One\r\n\r\n\r\n", ""));
    expect(textOf(withCells(notebook, [...notebook.cells, code("d: 4")]))).toBe(
      `${text}\r\n\r\n\`\`\`yaml\r\nd: 4\r\n\`\`\``,
    );
    expect(textOf(withCells(notebook, [...rest, first!]))).toBe(
      `${text.replace("# One\r\n\r\n\r\n", "")}\r\n\r\n# One`,
    );
  });

  test("a fence is as long as the text in it needs", () => {
    const notebook = parseNotebook("```yaml\na: 1\n```\n");
    expect(textOf(edited(notebook, 0, "a: |\n```\n````\n~~~~~"))).toBe(
      "`````yaml\na: |\n```\n````\n~~~~~\n`````\n",
    );
    expect(textOf(edited(parseNotebook("~~~yml\na: 1\n~~~\n"), 0, "~~~"))).toBe("~~~~yml\n~~~\n~~~~\n");
  });

  test("an unclosed block in prose does not swallow the cells after it", () => {
    const notebook = parseNotebook("one\n\n```yaml\na: 1\n```\n");
    for (const [open, saved] of [
      ["```js\nlet x", "```js\nlet x\n```"],
      ["<!-- later", "<!-- later\n-->"],
      ["<script>\nx", "<script>\nx\n</pre>"],
    ])
      expect(textOf(edited(notebook, 0, open!))).toBe(`${saved}\n\n\`\`\`yaml\na: 1\n\`\`\`\n`);
    const tight = parseNotebook("one\n```yaml\na: 1\n```\n");
    expect(textOf(edited(tight, 0, "<b>one</b>"))).toBe("<b>one</b>\n\n```yaml\na: 1\n```\n");
  });

  test("a yaml block written into prose is a cell when the file is opened again", () => {
    const notebook = parseNotebook("one\n");
    const text = textOf(edited(notebook, 0, "one\n\n```yaml\na: 1\n```\n\ntwo"));
    expect(values(parseNotebook(text))).toEqual([
      ["prose", "one"],
      ["code", "a: 1"],
      ["prose", "two"],
    ]);
  });

  test("code in another language stays a block of that language", () => {
    const text = textOf({ cells: [{ kind: "code", value: "print(1)", language: "python" }], frame: {} });
    expect(text).toBe("```python\nprint(1)\n```\n");
    expect(values(parseNotebook(text))).toEqual([["prose", text.trimEnd()]]);
  });

  test("an empty file is a notebook without cells, to which a first cell can be added", () => {
    const notebook = decodeNotebook(bytes(""));
    expect(notebook.cells).toEqual([]);
    expect(textOf(notebook)).toBe("");
    expect(textOf(withCells(notebook, [code("a: 1")]))).toBe("```yaml\na: 1\n```\n");
  });

  test("a file that can't be a notebook is refused with the reason and a workaround", () => {
    const refused = (content: Uint8Array) => {
      try {
        return decodeNotebook(content);
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refused(bytes("# T\n\n```yaml\na: 1\n"))).toMatchInlineSnapshot(
      `"This file cannot be shown as a notebook. Line 3, column 1: the block that opens here is never closed. Add a line with \`\`\`. To fix it, open the file as text: "Reopen Editor With… → Text Editor"."`,
    );
    expect(refused(Uint8Array.of(0xff, 0xfe, 0x61, 0))).toMatchInlineSnapshot(
      `"This file cannot be shown as a notebook. The file is not UTF-8 text. Save it as UTF-8. To fix it, open the file as text: "Reopen Editor With… → Text Editor"."`,
    );
    expect(refused(bytes("a".repeat(300_000)))).toMatchInlineSnapshot(
      `"This file cannot be shown as a notebook. The file has 300000 characters, but an experiment has at most 262144. Move data to separate files. To fix it, open the file as text: "Reopen Editor With… → Text Editor"."`,
    );
  });

  test("a hostile file of the largest size opens and is saved immediately", () => {
    // CPU time, since a clock also measures other processes: quadratic work takes minutes of it.
    const before = process.cpuUsage();
    for (const part of ["a\n", "\n", "```yaml\n```\n", "x\n```yaml\n\n\n```\n", "<b>\n", " "]) {
      const text = part.repeat(262_144 / part.length);
      expect(textOf(parseNotebook(text)) === text).toBe(true);
    }
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(10);
  }, 120_000);
});
