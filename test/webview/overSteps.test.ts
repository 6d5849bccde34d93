/** The view Over steps of the panel Weights, on histograms as a training writes them. */
import { describe, expect, it } from "vitest";
import { writeSampleHistograms } from "../support/sampleHistograms";
import type { PageOptions, TestPage } from "./pageHarness";
import { WrittenRun } from "./sampleRuns";
import type { ThemeName } from "./themes";
import { usePages, useWorkspace } from "./usePages";

describe("the view Over steps", () => {
  const workspace = useWorkspace();
  let run: WrittenRun;
  const pages = usePages(workspace, async () => {
    run = await WrittenRun.write(workspace, { name: "watched", steps: 2000, lines: 600, state: "running" });
    writeSampleHistograms(run.path, 600);
  });

  async function open(options: PageOptions = {}): Promise<TestPage> {
    const subjects = [{ kind: "run", run: run.path }] as const;
    const page = await pages.harness.panel("weights", { subjects }, { width: 1360, height: 860, ...options });
    page.page.setDefaultTimeout(20_000);
    await page.page.getByRole("button", { name: "Over steps" }).click();
    await page.page.locator(".step-map").waitFor();
    return page;
  }

  const hints = (page: TestPage) => page.page.locator(".over-steps .hint");

  it("shows a run before its first checkpoint, as ridgelines and as a map of layers and steps", async () => {
    const page = await open();
    expect(await page.page.locator("svg.picture").count()).toBe(2);
    expect(await hints(page).first().innerText()).toMatch(
      /^Step 600: mean .*, standard deviation 0\.0\d+, from/,
    );
    await page.page.getByLabel("Of", { exact: true }).selectOption("layers.*.mlp.down_proj weight");
    await page.page.getByLabel("Number", { exact: true }).selectOption("Share of zeros");
    await expect.poll(() => hints(page).last().innerText()).toBe("Layer 0, step 600: 25.0 %");
    await page.page.getByLabel("Layer", { exact: true }).selectOption("Layer 3");
    await expect.poll(() => hints(page).last().innerText()).toBe("Layer 3, step 600: 25.0 %");
    const shown = (name: RegExp) => page.page.getByRole("img", { name }).count();
    await expect.poll(() => shown(/Weights of layers\.3\.mlp\.down_proj/)).toBe(1);
    await page.page.getByLabel("Values", { exact: true }).selectOption("Gradients");
    await expect.poll(() => shown(/Gradients of layers\.3\.mlp\.down_proj/)).toBe(1);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("reads any step by slider, keyboard and pointer, and both figures show the same one", async () => {
    const page = await open();
    await page.page.getByRole("slider").press("ArrowLeft");
    await expect.poll(() => hints(page).first().innerText()).toContain("Step 580:");
    expect(await hints(page).last().innerText()).toContain("Layer 0, step 580:");
    const map = page.page.locator(".step-map");
    await map.press("ArrowDown");
    await map.press("ArrowLeft");
    await expect.poll(() => hints(page).last().innerText()).toContain("Layer 1, step 560:");
    await expect.poll(() => hints(page).first().innerText()).toContain("Step 560:");
    await expect
      .poll(() => page.page.getByLabel("Layer", { exact: true }).inputValue())
      .toBe("layers.1.self_attn.q_proj.weight");
    const picture = (await map.locator(".picture").boundingBox())!;
    await map.click({ position: { x: picture.width * (66 / 560), y: picture.height * (46 / 178) } });
    await expect.poll(() => hints(page).last().innerText()).toMatch(/^Layer 0, step 0:/);
    const kept = await page.page.evaluate<{ state: unknown }>("acquireVsCodeApi().getState()");
    await page.close();
    const again = await pages.harness.panel("weights", { subjects: [] }, { state: kept.state });
    await expect.poll(() => hints(again).last().innerText()).toMatch(/^Layer 0, step 0:/);
    await again.close();
  });

  it("moves once for each key, even if several are pressed within one frame", async () => {
    const page = await open();
    await page.page
      .evaluate(`for (const key of ["ArrowDown", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowUp"])
      document.querySelector(".step-map").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }))`);
    await expect.poll(() => hints(page).last().innerText()).toContain("Layer 1, step 560:");
    await page.close();
  });

  it("follows a run that trains, without moving what was chosen", async () => {
    const page = await open();
    await page.page.getByRole("slider").press("Home");
    await expect.poll(() => hints(page).first().innerText()).toContain("Step 0:");
    writeSampleHistograms(run.path, 700);
    run.grow(10);
    const last = () => page.page.getByRole("slider").getAttribute("max");
    await expect.poll(last, { timeout: 15_000 }).toBe("35");
    expect(await hints(page).first().innerText()).toContain("Step 0:");
    await page.page.getByRole("slider").press("End");
    await expect.poll(() => hints(page).first().innerText()).toContain("Step 700:");
    writeSampleHistograms(run.path, 760);
    run.grow(10);
    // The newest step was chosen, so the newest is shown.
    await expect.poll(() => hints(page).first().innerText(), { timeout: 15_000 }).toContain("Step 760:");
    await page.close();
  });

  it("saves both figures, and as CSV all bins and all numbers", async () => {
    const page = await open();
    for (const format of ["PNG", "SVG", "CSV"])
      for (const button of await page.page
        .getByRole("button", { name: new RegExp(`^Save .* as ${format}$`) })
        .all())
        await button.click();
    await expect.poll(() => page.asked.saved.length).toBe(6);
    const texts = page.asked.saved.map(({ content }) => (content as { text?: string }).text ?? "");
    expect(texts.filter((text) => text.startsWith("<svg"))).toHaveLength(2);
    const [bins, map] = [
      texts.find((text) => text.startsWith("step,from"))!,
      texts.find((text) => text.startsWith("tensor"))!,
    ];
    const counted = bins
      .trim()
      .split(/\r?\n/)
      .slice(1)
      .filter((row) => row.startsWith("20,"));
    expect(counted.reduce((sum, row) => sum + Number(row.split(",")[3]), 0)).toBe(600);
    expect(map.split(/\r?\n/)[0]).toBe("tensor,layer,step,deviation,mean,largest,zeros,notFinite");
    await page.close();
  });

  it("explains how to record histograms where there are none", async () => {
    const plain = await WrittenRun.write(workspace, { name: "plain", steps: 20 });
    const page = await pages.harness.panel("weights", { subjects: [{ kind: "run", run: plain.path }] });
    await page.page.getByRole("button", { name: "Over steps" }).click();
    await page.page.getByText("watch: {every: 50}").waitFor();
    expect(await page.violations()).toEqual([]);
    await page.close();
  });

  it.each<ThemeName>(["dark", "light", "highContrast", "highContrastLight"])(
    "is accessible in the theme %s, also at 600 pixels",
    async (theme) => {
      for (const width of [1360, 600]) {
        const page = await open({ theme, width });
        await page.screenshot(`over-steps-${width}-${theme}`);
        expect(await page.violations()).toEqual([]);
        const overflow = await page.page.evaluate<number>(
          "document.documentElement.scrollWidth - innerWidth",
        );
        expect(overflow).toBeLessThanOrEqual(0);
        expect(page.faults).toEqual([]);
        await page.close();
      }
    },
  );
});
