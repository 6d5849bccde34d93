import { describe, expect, test } from "vitest";
import { composeNotebook, parseNotebook } from "../../../src/extension/notebook/cellText";
import { DocumentText } from "../../../src/extension/notebook/documentText";

const file =
  "\n# Title\n\n\n```yaml\nmodel:\n  hidden_size: 8\n```\n\n```yaml\n```\ntext\r\n\n~~~yml\ntrain: {}\n~~~\n";
const notebook = parseNotebook(file);
const whole = new DocumentText(composeNotebook(notebook));

describe("positions in the whole text and in its cells", () => {
  test("every character of every cell makes the round trip", () => {
    expect(whole.text).toBe(file);
    notebook.cells.forEach(({ value }, cell) => {
      value.split("\n").forEach((content, line) => {
        for (let character = 0; character < content.length; character++) {
          const offset = whole.offsetAt(cell, { line, character })!;
          expect(file[offset]).toBe(content[character]);
          const before = file.slice(0, offset).split("\n");
          const place = { line: before.length, column: before.at(-1)!.length + 1 };
          const range = { ...place, endLine: place.line, endColumn: place.column + 1 };
          expect(whole.toDocumentRange(range)).toEqual({
            cell,
            start: { line, character },
            end: { line, character: character + 1 },
          });
          expect(whole.cellAt(place.line)).toBe(cell);
        }
      });
    });
  });

  test("an empty cell has a position between its fences", () => {
    expect(notebook.cells[2]!.value).toBe("");
    const offset = whole.offsetAt(2, { line: 0, character: 0 })!;
    expect(file.slice(0, offset).endsWith("```yaml\n")).toBe(true);
    expect(file.slice(offset).startsWith("```\n")).toBe(true);
  });

  test("a range on a fence is shown on the nearest line of its cell", () => {
    const fence = whole.toDocumentRange({ line: 5, column: 1, endLine: 5, endColumn: 8 });
    expect(fence).toEqual({ cell: 1, start: { line: 0, character: 0 }, end: { line: 0, character: 6 } });
    const close = whole.toDocumentRange({ line: 8, column: 1, endLine: 8, endColumn: 4 });
    expect(close).toEqual({ cell: 1, start: { line: 1, character: 0 }, end: { line: 1, character: 16 } });
    const empty = whole.toDocumentRange({ line: 10, column: 1, endLine: 10, endColumn: 8 });
    expect(empty).toEqual({ cell: 2, start: { line: 0, character: 0 }, end: { line: 0, character: 0 } });
  });

  test("a range over several cells is shown in the first, and one between cells in the cell above", () => {
    expect(whole.toDocumentRange({ line: 7, column: 3, endLine: 15, endColumn: 2 })).toEqual({
      cell: 1,
      start: { line: 1, character: 2 },
      end: { line: 1, character: 16 },
    });
    expect(whole.toDocumentRange({ line: 4, column: 1, endLine: 4, endColumn: 1 })?.cell).toBe(0);
    expect(whole.toDocumentRange({ line: 1, column: 1, endLine: 1, endColumn: 1 })?.cell).toBe(0);
    expect(
      new DocumentText({ text: "", places: [] }).toDocumentRange({
        line: 1,
        column: 1,
        endLine: 1,
        endColumn: 1,
      }),
    ).toBe(undefined);
  });

  test("a cell without text has no position", () => {
    const { cells, frame } = parseNotebook("text\n");
    const composed = composeNotebook({ cells: [{ kind: "prose", value: " " }, ...cells], frame });
    const text = new DocumentText(composed);
    expect(text.offsetAt(0, { line: 0, character: 0 })).toBe(undefined);
    expect(text.offsetAt(1, { line: 0, character: 2 })).toBe(2);
  });

  test("positions in a single document stay unchanged", () => {
    const text = DocumentText.fromText("a\r\nbc\r\n");
    expect(text.offsetAt(0, { line: 1, character: 1 })).toBe(4);
    expect(text.offsetAt(0, { line: 2, character: 0 })).toBe(7);
    expect(text.toDocumentRange({ line: 3, column: 1, endLine: 3, endColumn: 1 })?.start).toEqual({
      line: 2,
      character: 0,
    });
  });
});
