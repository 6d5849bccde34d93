/** The two streams of a command: results are written to standard output, everything else to standard error. */
import { stripVTControlCharacters, styleText } from "node:util";
import { LiveLines } from "./liveLines";
import { wrapText } from "./textWidth";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export type Colors = Readonly<Record<Style, (text: string) => string>> & {
  readonly enabled: boolean;
};

/** Functions that color a text, or return it unchanged if colors are not enabled. */
export function createColors(enabled: boolean): Colors {
  const paint = (style: Style) => (text: string) =>
    enabled ? styleText(style, text, { validateStream: false }) : text;
  return {
    enabled,
    bold: paint("bold"),
    dim: paint("dim"),
    red: paint("red"),
    green: paint("green"),
    yellow: paint("yellow"),
    cyan: paint("cyan"),
  };
}

/** Text that came from a run, a file or a model, without what could steer a terminal. Tabs become spaces. */
export function toPlainText(text: string): string {
  return (
    stripVTControlCharacters(text)
      .replaceAll("\t", " ")
      // eslint-disable-next-line no-control-regex -- These are exactly the characters to take out.
      .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
  );
}

/** The same on one line. */
export function toPlainLine(text: string): string {
  return toPlainText(text).replaceAll("\n", " ");
}

/** One document, in which what JSON leaves as it is and a terminal obeys is written as an escape of the same text. */
export function formatJson(document: unknown): string {
  return JSON.stringify(document, undefined, 2).replace(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

interface Stream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

function detectColors(stream: Stream): Colors {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  const isDisabled = NO_COLOR !== undefined && NO_COLOR !== "";
  const isForced = FORCE_COLOR !== undefined && FORCE_COLOR !== "" && FORCE_COLOR !== "0";
  return createColors(!isDisabled && (isForced || (stream.isTTY === true && TERM !== "dumb")));
}

/** A terminal that nobody looks at, such as that of a container, reports 0 columns. */
function knownColumns({ columns }: Stream): number | undefined {
  return columns === 0 ? undefined : columns;
}

/** The only writer of both streams while a command runs. */
export class Terminal {
  /** For text on standard output. */
  readonly colors: Colors;
  /** For text on standard error. */
  readonly noticeColors: Colors;
  private readonly live: LiveLines;
  private readonly shownNotices = new Set<string>();

  constructor(
    readonly json: boolean,
    private readonly output: Stream = process.stdout,
    private readonly notices: Stream = process.stderr,
  ) {
    this.colors = detectColors(output);
    this.noticeColors = detectColors(notices);
    this.live = new LiveLines(notices);
  }

  /** Whether lines on standard error can be redrawn. */
  get interactive(): boolean {
    return this.notices.isTTY === true && process.env.TERM !== "dumb";
  }

  /** Columns of a drawing in the result. */
  get width(): number {
    return knownColumns(this.output) ?? 100;
  }

  /** Columns of tables and text in the result: unlimited in a file, where other programs read them. */
  get textWidth(): number {
    return this.output.isTTY === true ? (knownColumns(this.output) ?? Infinity) : Infinity;
  }

  /** Columns of standard error. */
  get noticeWidth(): number {
    return this.notices.isTTY === true ? (knownColumns(this.notices) ?? Infinity) : Infinity;
  }

  /** Lines at the bottom that are redrawn until they are shown empty; only where `interactive`. */
  showLive(lines: readonly string[]): void {
    if (lines.length === 0) this.live.clear();
    else this.live.show(lines);
  }

  /** A line on the way to the result. */
  log(text: string): void {
    this.live.print(`${wrapText(text, this.noticeWidth)}\n`);
  }

  /** A line that a reader must not miss, once however many runs have it. */
  notice(text: string): void {
    if (this.shownNotices.has(text)) return;
    this.shownNotices.add(text);
    this.log(this.noticeColors.yellow(`Notice: ${text}`));
  }

  /** Whether a reader of the result has seen the notice above it. */
  hasShown(notice: string): boolean {
    return this.output.isTTY === true && this.notices.isTTY === true && this.shownNotices.has(notice);
  }

  /** A part of the result that is shown before the rest is there. */
  stream(piece: string): void {
    this.live.clear();
    this.output.write(piece);
  }

  result(text: string): void {
    this.live.clear();
    if (text !== "") this.output.write(text.endsWith("\n") ? text : `${text}\n`);
  }
}
