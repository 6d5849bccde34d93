/**
 * Maps between the whole text of an experiment and the documents in which it is edited: one for each cell of a notebook,
 * or a single one. The service reads the whole text; its ranges are shown in the documents that contain them.
 */
import { splitLines } from "../../protocol/cells";
import type { TextRange } from "../../protocol/service/experiments";
import type { CellPlace, ComposedText } from "./cellText";

/** 0-based, as editors count. */
export interface DocumentPosition {
  readonly line: number;
  readonly character: number;
}

export interface DocumentRange {
  /** Index of the cell, 0 where there is a single document. */
  readonly cell: number;
  readonly start: DocumentPosition;
  readonly end: DocumentPosition;
}

export class DocumentText {
  readonly text: string;
  private readonly places: readonly CellPlace[];
  private readonly lines: readonly { readonly start: number; readonly end: number }[];

  constructor({ text, places }: ComposedText) {
    this.text = text;
    this.places = places;
    this.lines = [...splitLines(text), { start: text.length, end: text.length }];
  }

  /** The text of one document that holds all of it. */
  static fromText(text: string): DocumentText {
    const lines = text.split(/\r\n|\r|\n/).length;
    const place = { cell: 0, valueLine: 0, valueLines: lines, firstLine: 0, lastLine: lines - 1 };
    return new DocumentText({ text, places: [place] });
  }

  /** Undefined for an empty Markdown cell, which is not part of the text. */
  offsetAt(cell: number, { line, character }: DocumentPosition): number | undefined {
    const place = this.places.find((each) => each.cell === cell);
    if (place === undefined) return undefined;
    const span = this.lines[place.valueLine + line];
    return span === undefined ? this.text.length : Math.min(span.start + character, span.end);
  }

  /** The cell whose block, fences included, or whose prose holds the line. Lines count from 1 here. */
  cellAt(line: number): number | undefined {
    return this.findPlace(line - 1)?.cell;
  }

  /**
   * Where a range of the text is shown. A range on a fence or between cells is shown on the nearest line of a cell;
   * undefined only if there are no cells.
   */
  toDocumentRange({ line, column, endLine, endColumn }: TextRange): DocumentRange | undefined {
    const place = this.findPlace(line - 1) ?? this.findNearestPlace(line - 1);
    if (place === undefined) return undefined;
    const start = this.toPosition(place, line - 1, column - 1);
    const end = this.toPosition(place, endLine - 1, endColumn - 1);
    const isEmpty = end.line === start.line && end.character <= start.character;
    const wasEmpty = line === endLine && column === endColumn;
    if (!isEmpty || wasEmpty) return { cell: place.cell, start, end };
    // The range is entirely outside, so the whole line is marked.
    return {
      cell: place.cell,
      start: { line: start.line, character: 0 },
      end: { line: start.line, character: this.getLineLength(place, start.line) },
    };
  }

  private toPosition(place: CellPlace, line: number, character: number): DocumentPosition {
    if (line < place.valueLine) return { line: 0, character: 0 };
    const last = Math.max(0, place.valueLines - 1);
    if (line - place.valueLine > last) return { line: last, character: this.getLineLength(place, last) };
    const valueLine = line - place.valueLine;
    return { line: valueLine, character: Math.min(character, this.getLineLength(place, valueLine)) };
  }

  private getLineLength(place: CellPlace, line: number): number {
    const span = line < place.valueLines ? this.lines[place.valueLine + line] : undefined;
    return span === undefined ? 0 : span.end - span.start;
  }

  private findPlace(line: number): CellPlace | undefined {
    return this.places.find(({ firstLine, lastLine }) => firstLine <= line && line <= lastLine);
  }

  /** The last cell above, or the first. */
  private findNearestPlace(line: number): CellPlace | undefined {
    return this.places.findLast(({ lastLine }) => lastLine < line) ?? this.places[0];
  }
}
