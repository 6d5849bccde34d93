/** The page of a report as a browser shows it: in both color schemes, in a narrow window, and to assistive technology. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { source as axeSource } from "axe-core";
import { chromium, type Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderHtmlPage } from "../../src/backend/report/html";
import { createCurvesPicture } from "../../src/pictures/curvesPicture";
import { paperTheme } from "../../src/pictures/theme";
import { noChromium, pictures } from "./pageHarness";

const curve = (name: string, from: number) => ({
  name,
  points: Array.from({ length: 60 }, (_, x) => ({ x, y: from / (1 + x / 9) })),
});

const page = renderHtmlPage("A report", [
  { kind: "heading", level: 1, text: "A report" },
  {
    kind: "conclusions",
    sentences: ["Of 2 published numbers, 1 are reproduced.", "Is it as good? Not comparable."],
  },
  {
    kind: "facts",
    facts: [
      ["Device", "cpu (a processor with a long description, 16 threads)"],
      ["Command", "lathe report examples/papers/kphi3/card.lathe.md --set scale=small"],
    ],
  },
  {
    kind: "blocks",
    blocks: [
      {
        kind: "table",
        title: "Published and reproduced",
        columns: ["variant", "quantity", "published", "reproduced", "gap", "verdict", "source"],
        rows: [
          [
            "one-with-a-very-long-name",
            "parameters/non_embedding",
            "35,011,584 (35M)",
            "35,011,584",
            "+0",
            "reproduced",
            "results table",
          ],
          [
            "dense",
            "eval/loss",
            "1.5800",
            "1.6012 ± 0.0120",
            "+0.0212",
            "not comparable: scale small, published at full",
            null,
          ],
        ],
      },
    ],
  },
  {
    kind: "folded",
    title: "Each of the 2 runs, with its seed",
    blocks: [
      {
        kind: "table",
        title: "Each run",
        columns: ["variant", "seed", "eval/loss"],
        rows: [
          ["dense", "0", "1.59"],
          ["dense", "1", "1.61"],
        ],
      },
    ],
  },
  { kind: "heading", level: 2, text: "Training" },
  {
    kind: "figures",
    figures: [
      {
        name: "loss",
        picture: createCurvesPicture({
          title: "Training loss, nats per token",
          across: "steps",
          curves: [curve("dense", 4), curve("grouped", 4.4)],
          theme: paperTheme,
          width: 520,
        }),
        lines: [],
      },
    ],
  },
]);

describe.skipIf(noChromium !== undefined)("the page of a report", () => {
  const folder = mkdtempSync(join(tmpdir(), "lathe-report-"));
  const file = join(folder, "report.html");
  let browser: Browser;
  beforeAll(async () => {
    writeFileSync(file, page);
    mkdirSync(pictures, { recursive: true });
    browser = await chromium.launch({
      executablePath: process.env.LATHE_CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox"],
    });
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const colorScheme of ["light", "dark"] as const)
    for (const width of [600, 1200])
      it(`fits ${width} px in ${colorScheme}, with the conclusions first`, async () => {
        const context = await browser.newContext({
          colorScheme,
          viewport: { width, height: 900 },
          bypassCSP: true,
        });
        const view = await context.newPage();
        await view.goto(pathToFileURL(file).href);
        await view.screenshot({ path: join(pictures, `report-${colorScheme}-${width}.png`), fullPage: true });
        // Only a table scrolls sideways, within itself.
        const overflow = await view.evaluate<number>(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        expect(overflow).toBe(0);
        const tops = await view.evaluate<number[]>(
          `[".conclusions", "dl", "table", "svg"].map((each) => document.querySelector(each).getBoundingClientRect().top)`,
        );
        expect(tops).toEqual([...tops].sort((a, b) => a - b));
        const ground = await view.evaluate<string>("getComputedStyle(document.body).backgroundColor");
        expect(ground).toBe(colorScheme === "dark" ? "rgb(13, 17, 23)" : "rgb(255, 255, 255)");
        // The runs are folded on the screen, and on paper they are not.
        const runs = view.getByRole("region", { name: "Each run" });
        expect(await runs.isVisible()).toBe(false);
        await view.emulateMedia({ media: "print", colorScheme });
        const height = "document.querySelector('details').getBoundingClientRect().height";
        expect(await view.evaluate<number>(height)).toBeGreaterThan(100);
        await view.emulateMedia({ media: "screen", colorScheme });
        await view.getByText("Each of the 2 runs").click();
        await view.evaluate(axeSource);
        const { violations } = await view.evaluate<{ violations: { id: string; impact: string }[] }>(
          "axe.run()",
        );
        expect(
          violations.filter(({ impact }) => /serious|critical/.test(impact)).map(({ id }) => id),
        ).toEqual([]);
        await context.close();
      });
});
