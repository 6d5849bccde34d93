/** The two streams of a command: results are written to standard output, everything else to standard error. */
import { stripVTControlCharacters, styleText } from "node:util";

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

export class Terminal {
  /** For text on standard output. */
  readonly colors: Colors;
  /** For text on standard error. */
  readonly noticeColors: Colors;

  constructor(
    readonly json: boolean,
    private readonly output: Stream = process.stdout,
    readonly notices: Stream = process.stderr,
  ) {
    this.colors = detectColors(output);
    this.noticeColors = detectColors(notices);
  }

  /** Whether lines on standard error can be redrawn. */
  get interactive(): boolean {
    return this.notices.isTTY === true && process.env.TERM !== "dumb";
  }

  get width(): number {
    return this.output.columns ?? 100;
  }

  /** A line on the way to the result. */
  log(text: string): void {
    this.notices.write(`${text}\n`);
  }

  result(text: string): void {
    if (text !== "") this.output.write(text.endsWith("\n") ? text : `${text}\n`);
  }
}
