/**
 * The lines at the bottom of a terminal that change in place. Everything else that is written to the terminal while they
 * are shown appears above them, in the same write, so that neither cuts the other.
 */
import { cropLine, getTextWidth } from "./textWidth";

interface Screen {
  write(text: string): unknown;
  readonly columns?: number;
}

const milliseconds = 100;

export class LiveLines {
  private wanted: readonly string[] = [];
  private drawn: readonly string[] = [];
  private drawnAt = -Infinity;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly screen: Screen) {}

  /** Replaces the lines, at most ten times a second. */
  show(lines: readonly string[]): void {
    this.wanted = lines;
    const wait = this.drawnAt + milliseconds - performance.now();
    if (wait <= 0) this.draw("");
    else this.timer ??= setTimeout(() => this.draw(""), wait);
  }

  /** Text that stays, above the lines. */
  print(text: string): void {
    this.draw(text);
  }

  /** Removes the lines. */
  clear(): void {
    this.wanted = [];
    if (this.drawn.length > 0) this.draw("");
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private draw(text: string): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const erased = this.erase();
    // The last column stays empty: some terminals break a line there, others do so with the next character.
    this.drawn = this.wanted.map((line) => cropLine(line, this.columns - 1));
    this.drawnAt = performance.now();
    const output = `${erased}${text}${this.drawn.join("\n")}`;
    if (output !== "") this.screen.write(output);
  }

  private get columns(): number {
    const { columns } = this.screen;
    return columns === undefined || columns === 0 ? 80 : Math.max(2, columns);
  }

  /** From the end of the drawn lines to the start of the first; a narrower terminal has wrapped them. */
  private erase(): string {
    if (this.drawn.length === 0) return "";
    const rows = this.drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(getTextWidth(line) / this.columns)),
      0,
    );
    return `\r${rows > 1 ? `\u001b[${rows - 1}A` : ""}\u001b[J`;
  }
}
