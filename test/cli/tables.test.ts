/** Tables and texts within the columns of a terminal. */
import { describe, expect, it } from "vitest";
import { formatFields } from "../../src/cli/fields";
import { labelRuns, SweepProgress } from "../../src/cli/sweepProgress";
import { formatTable } from "../../src/cli/table";
import { createColors } from "../../src/cli/terminal";
import { cropLine, getTextWidth, shortenMiddle, wrapText } from "../../src/cli/textWidth";
import type { RunRecord } from "../../src/protocol/run";

const at = (textWidth: number) => ({ colors: createColors(false), textWidth });
const head = ["variant", "eval loss", "training FLOPs", "verdict"];
const rows = [
  ["dense", "2.310", "1.20e+9", "reproduced"],
  [
    "one-with-a-long-name-seed0",
    "2.410",
    "1.21e+9",
    "not comparable: trained on 12 % of the published tokens",
  ],
];

describe("a table", () => {
  it("is as wide as it needs to be in a file", () => {
    expect(formatTable(head, rows, at(Infinity))).toMatchInlineSnapshot(`
      "variant                     eval loss  training FLOPs  verdict
      dense                           2.310         1.20e+9  reproduced
      one-with-a-long-name-seed0      2.410         1.21e+9  not comparable: trained on 12 % of the published tokens"
    `);
  });

  it("wraps headings and texts, then shortens names, within a terminal", () => {
    expect(formatTable(head, rows, at(70))).toMatchInlineSnapshot(`
      "variant                      eval  training  verdict
                                   loss     FLOPs
      dense                       2.310   1.20e+9  reproduced
      one-with-a-long-name-seed0  2.410   1.21e+9  not comparable: trained
                                                   on 12 % of the published
                                                   tokens"
    `);
    expect(formatTable(head, rows, at(50))).toMatchInlineSnapshot(`
      "variant            eval  training  verdict
                         loss     FLOPs
      dense             2.310   1.20e+9  reproduced
      one-with…e-seed0  2.410   1.21e+9  not comparable:
                                         trained on 12 %
                                         of the
                                         published
                                         tokens"
    `);
  });

  it("continues below with its first column where not all others fit", () => {
    expect(formatTable(head, rows, at(40))).toMatchInlineSnapshot(`
      "variant                   eval  training
                                loss     FLOPs
      dense                    2.310   1.20e+9
      one-with-a-…-name-seed0  2.410   1.21e+9

      variant              verdict
      dense                reproduced
      one-with-…ame-seed0  not comparable:
                           trained on 12 % of
                           the published
                           tokens"
    `);
  });

  it("never exceeds a width that holds two columns", () => {
    const wide = Array.from({ length: 12 }, (_, i) => `column ${i}`);
    const cells = [wide.map((_, i) => (i === 0 ? "a-name-of-24-characters-" : String(10 ** i)))];
    for (let width = 40; width <= 200; width += 7)
      for (const line of formatTable(wide, cells, at(width)).split("\n"))
        expect(getTextWidth(line)).toBeLessThanOrEqual(width);
  });
});

describe("text in columns", () => {
  it("counts what a terminal draws", () => {
    expect(["abc", "größe", "中文", "😀", "e\u0301", "\u001b[32mdone\u001b[39m"].map(getTextWidth)).toEqual([
      3, 5, 4, 2, 1, 4,
    ]);
  });

  it("loses the middle of a name and the end of a line", () => {
    expect(shortenMiddle("first-grouped-lr0.001-seed2", 16)).toBe("first-gr…1-seed2");
    expect(shortenMiddle("中文中文中文", 6)).toBe("中…文");
    expect(cropLine("\u001b[32m████\u001b[39m 12/30", 6)).toBe("\u001b[32m████\u001b[39m 1");
  });

  it("breaks lines at spaces, and words that are longer than a line", () => {
    expect(wrapText("one two  three", 8)).toBe("one two\nthree");
    expect(wrapText("/a/path/that/is/long and more", 10)).toBe("/a/path/th\nat/is/long\nand more");
    expect(formatFields([["data", "a text of some length that continues"]], at(28))).toBe(
      "data  a text of some length\n      that continues",
    );
  });
});

describe("the progress of many runs", () => {
  const record = (seconds: number, secondsLeft?: number) =>
    ({
      state: "running",
      seconds,
      progress: {
        step: 5,
        steps: 10,
        action: "train",
        ...(secondsLeft === undefined ? {} : { secondsLeft }),
      },
    }) as unknown as RunRecord;

  it("takes the time of the finished runs for those that follow", () => {
    const sweep = new SweepProgress(30);
    expect(sweep.estimateSecondsLeft(record(4))).toBeUndefined();
    expect(sweep.estimateSecondsLeft(record(4, 6))).toBe(6 + 29 * 10);
    for (const seconds of [10, 20, 30, 10, 20, 30]) sweep.finish({ seconds });
    expect(sweep.position).toBe("7/30");
    expect(sweep.estimateSecondsLeft(record(5))).toBe(15 + 23 * 20);
    expect(sweep.formatLine(record(5, 15), { noticeColors: createColors(false), noticeWidth: 80 })).toBe(
      "run 7 of 30  █████░░░░░░░░░░░░░░░░░░░  21 %  7 min 55 s left for all",
    );
    expect(
      getTextWidth(sweep.formatLine(record(5, 15), { noticeColors: createColors(false), noticeWidth: 50 })),
    ).toBeLessThan(50);
  });

  it("leaves the experiment's name out of the names of its runs, and nothing else", () => {
    const plan = (name: string, variant: string) => ({ name, variant, experiment: "papers/card.lathe.md" });
    expect(labelRuns([plan("card-r8-seed0", "r8"), plan("card-r16-seed0", "r16")])).toEqual([
      "r8-seed0",
      "r16-seed0",
    ]);
    expect(labelRuns([plan("named-r8", "r8"), plan("named-r16", "r16")])).toEqual(["r8", "r16"]);
    expect(labelRuns([plan("card-r8", "r8")])).toEqual(["card-r8"]);
    expect(labelRuns([plan("card-r8", "r8"), { ...plan("other-r8", "r8"), experiment: "other.md" }])).toEqual(
      ["card-r8", "other-r8"],
    );
  });
});
