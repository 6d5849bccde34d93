import { describe, expect, it } from "vitest";
import { plotLoss, resample } from "../../src/cli/lossPlot";
import { RunHistory } from "../../src/cli/runHistory";
import { createColors, toPlainText, toPlainLine } from "../../src/cli/terminal";

const plainColors = createColors(false);

describe("untrusted text", () => {
  it("loses everything that could control a terminal, and nothing else", () => {
    const hostile = "a\u001b[31mred\u001b[0m\u001b]0;title\u0007 b\u009b2Jc\u0008\u202ed\re\nf größe 中文 😀";
    expect(toPlainText(hostile)).toBe("ared bcde\nf größe 中文 😀");
    expect(toPlainLine("a\nb\tc")).toBe("a b c");
    const all = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("");
    const codes = Array.from(toPlainText(all), (character) => character.charCodeAt(0));
    expect(codes.filter((code) => (code < 32 && code !== 10) || (code > 126 && code < 160))).toEqual([]);
  });
});

describe("the loss plot", () => {
  const history = (steps: number, every: number) => {
    const made = new RunHistory();
    made.add(
      Array.from({ length: steps }, (_, step) => ({
        step,
        seconds: step / 10,
        tokens: step * 512,
        "train/loss": 1 + 3 / (1 + step / 20),
        ...(step % every === 0 ? { "eval/loss": 1.2 + 3 / (1 + step / 20) } : {}),
      })),
    );
    return made;
  };

  it("shows both curves with their last values, within its width", () => {
    const text = plotLoss(history(200, 20), 60, plainColors)!;
    expect(text).toMatchInlineSnapshot(`
      "train/loss
         3.739┼╮
         3.492┤│
         3.246┤╰╮
         3.000┤ ╰╮
         2.754┤  ╰╮
         2.508┤   ╰─╮
         2.261┤     ╰─╮
         2.015┤       ╰───╮
         1.769┤           ╰─────╮
         1.523┤                 ╰─────────────╮
         1.277┤                               ╰────────────────
               0                                             199

      eval/loss
         4.200┼╮
         3.930┤╰╮
         3.660┤ │
         3.390┤ ╰╮
         3.120┤  ╰╮
         2.850┤   │
         2.580┤   ╰──╮
         2.310┤      ╰──╮
         2.040┤         ╰─────╮
         1.770┤               ╰────────────╮
         1.500┤                            ╰───────────────────
               0                                             199"
    `);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(60);
  });

  it("draws both in one plot if colors are available", () => {
    const text = plotLoss(history(200, 20), 60, createColors(true))!;
    expect(text.split("\n").length).toBeLessThan(16);
    expect(text).toContain("\u001b[33m");
  });

  it("requires two points, and handles one value, a flat line and NaN", () => {
    expect(plotLoss(history(1, 1), 60, plainColors)).toBeUndefined();
    const flat = new RunHistory();
    flat.add([1, 2, 3].map((step) => ({ step, seconds: step, "train/loss": step === 2 ? NaN : 2 })));
    expect(plotLoss(flat, 60, plainColors)).toContain("2.000");
  });

  it("shows the mean of each column and a straight line between distant points", () => {
    const points = [0, 1, 2, 3].map((step) => ({ step, value: step }));
    expect(resample(points, { first: 0, last: 3 }, 2)).toEqual([0.5, 2.5]);
    expect(
      resample(
        [
          { step: 0, value: 0 },
          { step: 9, value: 9 },
        ],
        { first: 0, last: 9 },
        4,
      ),
    ).toEqual([0, 3, 6, 9]);
  });

  it("computes the speed from the tokens if the run does not report it", () => {
    expect(history(50, 10).tokensPerSecond).toBeCloseTo(5120);
    const telling = new RunHistory();
    telling.add([{ step: 1, seconds: 1, "train/tokens_per_second": 99 }]);
    expect(telling.tokensPerSecond).toBe(99);
  });
});
