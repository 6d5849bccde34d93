/** Cleans the text of rows and drops those with a text that no row may contain, counting what each rule leaves. */
import type { DataOptions } from "../../schema/experiment";
import type { Fragment } from "./pieces";
import { isSpace } from "./spaces";

/** Rows with text that were read, and how many each rule left, in the order of the rules. */
export interface RowCounts {
  readonly read: number;
  readonly left: readonly number[];
}

type Cleaning = DataOptions["clean_rows"];

export class RowScreen {
  #read = 0;
  readonly #left: number[];

  constructor(
    readonly cleaning: Cleaning,
    /** Texts that drop a row. */
    readonly unwanted: readonly string[],
  ) {
    this.#left = unwanted.map(() => 0);
  }

  get counts(): RowCounts {
    return { read: this.#read, left: [...this.#left] };
  }

  /** The row cleaned, or undefined where it is dropped. `row` has to be a whole document. */
  take(row: Fragment): Fragment | undefined {
    this.#read++;
    const clean = this.cleaning === "none" ? row : cleaned(row, this.cleaning);
    const whole = (clean.prompt ?? "") + clean.text;
    for (const [rule, text] of this.unwanted.entries()) {
      if (whole.includes(text)) return undefined;
      this.#left[rule]!++;
    }
    return clean;
  }
}

/** A prompt and its response are cleaned as the one text that they are; what lies between them goes with the response. */
function cleaned({ prompt, text, end }: Fragment, cleaning: Exclude<Cleaning, "none">): Fragment {
  const whole = strip(withoutLineEnds((prompt ?? "") + text, cleaning));
  if (prompt === undefined) return { text: whole, end };
  const before = stripStart(withoutLineEnds(prompt, cleaning)).length;
  return { prompt: whole.slice(0, before), text: whole.slice(before), end };
}

/** The published code writes `/n<|` where it means a line end, so its second rule never finds anything. */
function withoutLineEnds(text: string, cleaning: Exclude<Cleaning, "none">): string {
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
