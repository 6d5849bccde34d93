/** Decides which rows count, cleans their text, and counts what each rule leaves out. */
import * as z from "zod";
import type { DataOptions } from "../../schema/experiment";
import type { OnBadRow, Row } from "./formats/row";
import type { Fragment } from "./pieces";
import { parseCondition, type RowCondition } from "./rowCondition";
import { isSpace } from "./spaces";

/** What became of the rows that were read. Rows without text are not counted. */
export const rowCountsSchema = z.strictObject({
  /** Rows with text that are well formed and meet `where`. */
  read: z.int().min(0),
  /** How many of them each text of `drop_rows_containing` left, in order. */
  left: z.array(z.int().min(0)),
  /** Malformed rows that were skipped. */
  malformed: z.int().min(0),
  /** Rows that `where` left out. */
  excluded: z.int().min(0),
});
export type RowCounts = z.infer<typeof rowCountsSchema>;

type Cleaning = DataOptions["clean_rows"];

export class RowScreen {
  readonly #cleaning: Cleaning;
  /** Texts that drop a row. */
  readonly #unwanted: readonly string[];
  readonly #condition: RowCondition | undefined;
  readonly #skipsMalformed: boolean;
  readonly #left: number[];
  #read = 0;
  #malformed = 0;
  #excluded = 0;

  constructor(
    options: Pick<DataOptions, "clean_rows" | "drop_rows_containing"> &
      Partial<Pick<DataOptions, "where" | "on_bad_rows">>,
  ) {
    this.#cleaning = options.clean_rows;
    this.#unwanted = options.drop_rows_containing;
    this.#condition = options.where === undefined ? undefined : parseCondition(options.where);
    this.#skipsMalformed = options.on_bad_rows === "skip";
    this.#left = this.#unwanted.map(() => 0);
  }

  get counts(): RowCounts {
    const [read, malformed, excluded] = [this.#read, this.#malformed, this.#excluded];
    return { read, left: [...this.#left], malformed, excluded };
  }

  /** Columns that `where` compares. */
  get columns(): readonly string[] {
    return this.#condition?.columns ?? [];
  }

  /** Counts a malformed row, or throws what is wrong with it. */
  readonly onBadRow: OnBadRow = (error) => {
    if (!this.#skipsMalformed) throw error;
    this.#malformed++;
  };

  meetsCondition(row: Row): boolean {
    if (this.#condition?.holds(row) !== false) return true;
    this.#excluded++;
    return false;
  }

  /** The row cleaned, or undefined where it is dropped. `row` has to be a whole document. */
  take(row: Fragment): Fragment | undefined {
    this.#read++;
    const clean = this.#cleaning === "none" ? row : cleanRow(row, this.#cleaning);
    const whole = (clean.prompt ?? "") + clean.text;
    for (const [rule, text] of this.#unwanted.entries()) {
      if (whole.includes(text)) return undefined;
      this.#left[rule]!++;
    }
    return clean;
  }
}

/** Cleans a prompt and its response as one text. Whitespace between them becomes part of the response. */
function cleanRow(row: Fragment, cleaning: Exclude<Cleaning, "none">): Fragment {
  const { prompt, text, end, pair, label } = row;
  const clean = (part: string) => strip(removeLineEnds(part, cleaning));
  if (label !== undefined)
    return { ...row, text: clean(text), ...(pair && { pair: [clean(pair[0]), clean(pair[1])] as const }) };
  const whole = strip(removeLineEnds((prompt ?? "") + text, cleaning));
  if (prompt === undefined) return { text: whole, end };
  const before = stripStart(removeLineEnds(prompt, cleaning)).length;
  return { prompt: whole.slice(0, before), text: whole.slice(before), end };
}

/** The published code writes `/n<|` where it means a line end, so its second rule never finds anything. */
function removeLineEnds(text: string, cleaning: Exclude<Cleaning, "none">): string {
  return text.replaceAll("|>\n", "|>").replaceAll(cleaning === "published" ? "/n<|" : "\n<|", "<|");
}

/** As Python's `strip`, which also counts the four separators U+001C to U+001F. */
function strip(text: string): string {
  let end = text.length;
  while (end > 0 && isBlank(text.charCodeAt(end - 1))) end--;
  return stripStart(text.slice(0, end));
}

function stripStart(text: string): string {
  let start = 0;
  while (start < text.length && isBlank(text.charCodeAt(start))) start++;
  return text.slice(start);
}

function isBlank(unit: number): boolean {
  return isSpace(unit) || (unit >= 0x1c && unit <= 0x1f);
}
