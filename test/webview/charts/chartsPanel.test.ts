/** The panel of charts in a real browser, asked and answered by the real service over real run folders. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PageOptions, TestPage } from "../pageHarness";
import { WrittenRun } from "../sampleRuns";
import { usePages, useWorkspace } from "../usePages";

/** The heading of the chart of both losses. */
const losses = "eval/loss and train/loss";

const variants = [
  "dense",
  "grouped 16",
  "grouped 32",
  "kronecker",
  "low rank 64",
  "low rank 16",
  "2:4 masked",
  "tied rows",
  "half width",
  "quantised",
];

describe("the panel of charts", () => {
  const workspace = useWorkspace();
  const ten: WrittenRun[] = [];
  const pages = usePages(workspace, async () => {
    for (const [i, name] of variants.entries())
      ten.push(
        await WrittenRun.write(workspace, {
          name,
          seed: i + 1,
          floor: 1.5 + i * 0.12,
          start: 5.4 + (i % 3) * 0.15,
          system: true,
          ...(i === 9 ? { state: "running", lines: 260 } : {}),
        }),
      );
  });

  const open = (runs: readonly WrittenRun[], options?: PageOptions) =>
    pages.harness.panel(
      "charts",
      { runs: runs.map(({ path }) => path) },
      { width: 1280, height: 860, ...options },
    );

  it.each(["dark", "light", "highContrast", "highContrastLight"] as const)(
    "shows ten accessible curves, in %s",
    async (theme) => {
      const page = await open(ten, {
        theme,
        state: {
          runs: ten.map(({ path }, i) => [path, i]),
          metrics: ["train/loss", "eval/loss", "train/learning_rate", "train/grad_norm"],
          board: { view: { axis: "step", logX: false, logY: false, smoothing: 0.3 }, hidden: [] },
          filter: "",
          lists: true,
        },
      });
      await rows(page, losses, 20);
      await expect.poll(() => inked(page)).toBeGreaterThan(0.01);
      await page.screenshot(`charts-${theme}`);
      expect(await page.violations()).toEqual([]);
      expect(page.faults).toEqual([]);
      await page.close();
    },
  );

  it("shows the active run by default", async () => {
    const page = await open([]);
    await rows(page, losses, 2);
    expect(await table(page, losses)).toEqual([
      expect.stringMatching(/^quantised eval\/loss/),
      expect.stringMatching(/^quantised train\/loss/),
    ]);
    await page.close();
  });

  it("adds each line of a running training exactly once", async () => {
    const run = await WrittenRun.write(workspace, { name: "live", state: "running", lines: 50, steps: 4000 });
    const page = await open([run]);
    await rows(page, losses, 2);
    expect((await table(page, losses))[1]).toContain("step 1 step 50");
    for (const lines of [1, 3, 200]) {
      run.grow(lines);
      await page.page.waitForTimeout(120);
    }
    await expect.poll(() => table(page, losses).then(([, train]) => train)).toContain("step 1 step 254");
    await page.page.getByRole("button", { name: "Save points as CSV" }).click();
    await expect.poll(() => page.asked.saved.length).toBe(1);
    const saved = page.asked.saved[0]!.content as { text: string };
    const written = readFileSync(join(run.path, "metrics.jsonl"), "utf8").trim().split("\n");
    const told = written.map((line) => JSON.parse(line) as { step: number; "train/loss": number });
    expect(saved.text.split("\r\n").filter((row) => row.startsWith("live,train/loss,"))).toEqual(
      told.map((line) => `live,train/loss,${line.step},${line["train/loss"]}`),
    );
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("requests a thinned curve again when a live one has grown long, and continues to follow it", async () => {
    const run = await WrittenRun.write(workspace, {
      name: "long",
      state: "running",
      lines: 50,
      steps: 20_000,
    });
    const page = await open([run]);
    await rows(page, losses, 2);
    run.grow(9000);
    await expect.poll(() => table(page, losses).then(([, train]) => train)).toContain("step 1 step 9,050");
    run.grow(7);
    await expect.poll(() => table(page, losses).then(([, train]) => train)).toContain("step 1 step 9,057");
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("continues with the whole curve after the service was restarted", async () => {
    const run = await WrittenRun.write(workspace, { name: "revived", state: "running", lines: 40 });
    const page = await open([run]);
    await rows(page, losses, 2);
    await pages.harness.backend.restart();
    run.grow(20);
    await expect.poll(() => table(page, losses).then(([, train]) => train)).toContain("step 1 step 60");
    await page.close();
  });

  it("loses no spike to thinning, and shows the exact values of the zoomed part", async () => {
    const spikes = { 30_011: 47.25 };
    const run = await WrittenRun.write(workspace, { name: "spiky", steps: 60_000, spikes });
    const page = await open([run]);
    await rows(page, losses, 2);
    expect((await table(page, losses))[1]).toContain("47.25");
    const plot = (await page.page.locator(".plot").first().boundingBox())!;
    const at = (share: number) => plot.x + plot.width * share;
    await page.page.mouse.move(at(0.5), plot.y + 100);
    await page.page.mouse.down();
    await page.page.mouse.move(at(0.53), plot.y + 160, { steps: 4 });
    await page.page.mouse.up();
    await page.page.getByRole("button", { name: "Show all" }).waitFor();
    // All steps of this thirtieth are present: points that are adjacent on the axis are adjacent in the run.
    await expect
      .poll(async () => {
        const reading = async (key: string) => {
          await page.page.locator(".plot").first().press(key);
          return Number(
            /step ([\d,]+)/
              .exec(await page.page.locator(".reading .where").innerText())![1]!
              .replace(/,/g, ""),
          );
        };
        await page.page.mouse.move(at(0.5), plot.y + 60);
        return Math.abs((await reading("ArrowRight")) - (await reading("ArrowRight")));
      })
      .toBe(1);
    await page.page.getByRole("button", { name: "Show all" }).click();
    await expect.poll(() => page.page.getByRole("button", { name: "Show all" }).isVisible()).toBe(false);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("reports the values that a logarithmic axis can't show", async () => {
    const run = await WrittenRun.write(workspace, { name: "signed", spikes: { 7: 0, 9: -3 } });
    const page = await open([run]);
    await rows(page, losses, 2);
    await page.page.getByRole("button", { name: "log y" }).click();
    await page.page.getByText("2 values at or below zero cannot be shown on a logarithmic axis.").waitFor();
    await page.page.getByRole("button", { name: "log x" }).click();
    await page.page.locator("canvas[aria-label*='logarithmic x and y']").waitFor();
    await page.screenshot("charts-logarithmic");
    await page.close();
  });

  it("hides a run by its legend and shows it again, with only the keyboard", async () => {
    const page = await open(ten.slice(0, 2));
    await rows(page, losses, 4);
    const entry = page.page.locator(".legend").getByRole("button", { name: /^dense/ });
    await entry.focus();
    await page.page.keyboard.press("Space");
    await rows(page, losses, 2);
    expect(await entry.getAttribute("aria-pressed")).toBe("false");
    await page.page.keyboard.press("Enter");
    await rows(page, losses, 4);
    await page.page.locator(".legend").getByRole("button", { name: "eval/loss" }).click();
    await rows(page, losses, 2);
    await page.close();
  });

  it("announces the exact value of each point when moving along the curve", async () => {
    const page = await open([ten[0]!]);
    await rows(page, losses, 2);
    const plot = page.page.locator(".plot");
    await plot.press("ArrowRight");
    await plot.press("ArrowRight");
    const [, second] = readFileSync(join(ten[0]!.path, "metrics.jsonl"), "utf8").split("\n");
    const line = JSON.parse(second!) as { "train/loss": number };
    const exact = String(Number(line["train/loss"].toPrecision(7)));
    await page.page.getByRole("status").getByText(`dense train/loss ${exact}`).waitFor({ state: "attached" });
    expect(await page.page.locator(".reading .where").innerText()).toBe("step 2");
    await page.close();
  });

  it("follows the editor to another theme immediately", async () => {
    const page = await open(ten.slice(0, 1), { theme: "dark" });
    await rows(page, losses, 2);
    const stroke = () => page.page.locator(".legend path[stroke^='#']").first().getAttribute("stroke");
    const dark = await stroke();
    await page.setTheme("light");
    await expect.poll(stroke).not.toBe(dark);
    await page.close();
  });

  it("keeps runs, metrics, axis, smoothing and hidden curves across a reload of the window", async () => {
    const page = await open(ten.slice(0, 2));
    await rows(page, losses, 4);
    await page.page.getByRole("checkbox", { name: "grad_norm" }).check();
    await rows(page, "train/grad_norm", 2);
    await page.page.getByLabel("Axis").selectOption("seconds");
    await page.page.getByLabel("Smoothing").fill("0.6");
    await page.page
      .locator(".legend")
      .first()
      .getByRole("button", { name: /^grouped 16/ })
      .click();
    await rows(page, "train/grad_norm", 1);
    await page.reload();
    await rows(page, "train/grad_norm", 1);
    expect(await page.page.getByLabel("Axis").inputValue()).toBe("seconds");
    expect(await page.page.getByLabel("Smoothing").inputValue()).toBe("0.6");
    expect((await table(page, losses))[0]).toContain("2 min 20 s");
    await page.close();
  });

  it("shows markup in names of runs and metrics as text", async () => {
    const name = `<img src=x onerror="document.title='owned'"><b>bold</b> \u001b[31m`;
    const run = await WrittenRun.write(workspace, { name, lines: 20 });
    run.append({ step: 21, seconds: 9, "eval/<script>document.title='owned'</script>": 1 });
    const page = await open([run]);
    await rows(page, losses, 2);
    await page.page.locator(".legend").getByText("<img src=x").waitFor();
    expect(await page.page.locator("img, .legend b").count()).toBe(0);
    expect(await page.page.title()).not.toBe("owned");
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("saves a picture as vectors, and one as pixels", async () => {
    const page = await open(ten.slice(0, 3));
    await rows(page, losses, 6);
    await page.page.getByRole("button", { name: "Save as SVG" }).click();
    await page.page.getByRole("button", { name: "Save as PNG" }).click();
    await expect.poll(() => page.asked.saved.length).toBe(2);
    const [svg, png] = page.asked.saved;
    expect([svg!.name, png!.name]).toEqual(["eval-loss-and-train-loss.svg", "eval-loss-and-train-loss.png"]);
    const { text } = svg!.content as { text: string };
    const parsed = await page.page.evaluate<readonly [string, number, string]>(
      `(() => { const doc = new DOMParser().parseFromString(${JSON.stringify(text)}, "image/svg+xml");
        return [doc.documentElement.tagName, doc.querySelectorAll("g > path").length, doc.documentElement.textContent]; })()`,
    );
    expect(parsed[0]).toBe("svg");
    // Six lines, those of training with their true points behind.
    expect(parsed[1]).toBe(9);
    expect(parsed[2]).toContain("grouped 32 · eval/loss");
    const { base64 } = png!.content as { base64: string };
    expect(Buffer.from(base64, "base64").subarray(1, 4).toString()).toBe("PNG");
    await page.close();
  });

  it("shows what is ticked after None and a tick, and moves no entry under the pointer", async () => {
    const page = await open(ten.slice(0, 3));
    await rows(page, losses, 6);
    const list = page.page.getByRole("list", { name: "Runs", exact: true });
    const entries = () => list.locator(".name").allInnerTexts();
    const ticked = async () => {
      const boxes = list.getByRole("checkbox");
      const names = await entries();
      const states = await boxes.evaluateAll((all) =>
        all.map((box) => (box as never as { checked: boolean }).checked),
      );
      return names.filter((_, i) => states[i]);
    };
    const order = await entries();
    await expect.poll(ticked).toHaveLength(3);
    await page.page.getByRole("button", { name: "None" }).click();
    await expect.poll(ticked).toEqual([]);
    await list.getByRole("checkbox").nth(4).click();
    await rows(page, losses, 2);
    expect(await ticked()).toEqual([order[4]]);
    await list.getByRole("checkbox").nth(6).click();
    await rows(page, losses, 4);
    await list.getByRole("checkbox").nth(4).click();
    await rows(page, losses, 2);
    expect(await ticked()).toEqual([order[6]]);
    expect(await entries()).toEqual(order);
    // A run that starts meanwhile waits at the end, until the pointer has left.
    await list.getByRole("checkbox").nth(2).hover();
    await WrittenRun.write(workspace, { name: "just started", state: "running", lines: 3 });
    await expect.poll(entries).toHaveLength(order.length + 1);
    expect((await entries()).slice(0, order.length)).toEqual(order);
    await page.page.mouse.move(900, 20);
    await expect.poll(entries).toEqual(["just started", ...order]);
    await page.close();
  });

  it("shows what to do if nothing is selected", async () => {
    const page = await open(ten.slice(0, 1));
    await rows(page, losses, 2);
    await page.page.getByRole("button", { name: "None" }).click();
    await page.page.getByText("No run selected").waitFor();
    await page.page.getByRole("searchbox", { name: "Filter the runs" }).fill("kron done");
    await page.page.getByRole("checkbox", { name: /kronecker/ }).check();
    await rows(page, losses, 2);
    await page.close();
  });
});

/** Waits until the table behind the chart has this many rows. */
async function rows(page: TestPage, title: string, count: number): Promise<void> {
  await expect.poll(() => table(page, title).then(({ length }) => length)).toBe(count);
}

/** The text alternative for screen readers. */
function table(page: TestPage, title: string): Promise<string[]> {
  const rows = page.page
    .locator("section.chart", { has: page.page.locator(`h3:text-is("${title}")`) })
    .locator("tbody tr");
  return rows.evaluateAll((all) =>
    all.map((row) =>
      [...(row as never as { cells: Iterable<{ textContent: string }> }).cells]
        .map(({ textContent }) => textContent.trim())
        .join(" "),
    ),
  );
}

/** The share of the first canvas that is drawn on. */
function inked(page: TestPage): Promise<number> {
  return page.page.evaluate<number>(`(() => {
    const canvas = document.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 128) count++;
    return count / (data.length / 4);
  })()`);
}
