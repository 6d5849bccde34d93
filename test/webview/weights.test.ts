import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import magnitude from "../../src/backend/methods/magnitude";
import { writeCheckpoint } from "../../src/backend/checkpoints/checkpoint";
import type { Subject } from "../../src/protocol/service/models";
import { drawModelTensors, createTinyShape } from "../support/subject";
import { noChromium, PageHarness, type PageOptions, type TestPage } from "./pageHarness";
import { WrittenRun } from "./sampleRuns";
import type { ThemeName } from "./themes";
import { plainLab } from "../support/lab";

describe.skipIf(noChromium !== undefined)("the panel Weights", () => {
  let workspace: string;
  let harness: PageHarness;
  let before: Subject;
  let after: Subject;

  beforeAll(async () => {
    workspace = realpathSync(mkdtempSync(join(tmpdir(), "lathe-pages-")));
    const shape = createTinyShape("llama", {
      hidden_size: 128,
      intermediate_size: 256,
      num_hidden_layers: 3,
      num_attention_heads: 4,
      num_key_value_heads: 2,
    });
    const tensors = drawModelTensors(shape, 3);
    // Concentrated around zero and uneven across columns, like trained weights.
    for (const { data } of tensors.values())
      data.forEach((value, i) => {
        data[i] = 0.03 * Math.atanh(value * 0.99) * (1.2 + Math.sin((i % 128) / 9));
      });
    const pruned = await magnitude.apply(
      { shape, tensors },
      magnitude.options.parse({ sparsity: 0.5 }),
      plainLab,
    );
    const saved = (name: string, checkpoint: Parameters<typeof writeCheckpoint>[1]): Subject => {
      const path = join(workspace, name);
      writeCheckpoint(path, checkpoint);
      return { kind: "path", path };
    };
    before = saved("dense", { shape, tensors });
    after = saved("pruned", pruned);
    harness = await PageHarness.open(workspace);
  });
  afterAll(async () => {
    await harness.close();
    rmSync(workspace, { recursive: true, force: true });
  });

  async function open(subjects: readonly Subject[], options: PageOptions = {}): Promise<TestPage> {
    const page = await harness.panel("weights", { subjects }, { width: 1360, height: 860, ...options });
    page.page.setDefaultTimeout(20_000);
    if (subjects.length > 0 || options.state !== undefined) await page.page.locator(".histogram").waitFor();
    return page;
  }

  it("follows when its run is renamed, in Parameters too", async () => {
    const run = await WrittenRun.write(workspace, { name: "first-name", lines: 5 });
    const shape = createTinyShape("llama");
    const checkpoint = "checkpoints/step-5";
    mkdirSync(join(run.path, "checkpoints"), { recursive: true });
    writeCheckpoint(join(run.path, checkpoint), { shape, tensors: drawModelTensors(shape, 3) });
    const subjects: Subject[] = [{ kind: "run", run: run.path, checkpoint }];
    const weights = await open(subjects);
    const parameters = await harness.panel("parameters", { subjects });
    await expect.poll(() => weights.page.locator(".toolbar .title").innerText()).toContain("first-name");
    await expect.poll(() => parameters.page.locator(".totals .model").innerText()).toContain("first-name");
    await harness.backend.request("runs.annotate", { run: run.path, notes: { name: "second-name" } });
    await expect.poll(() => weights.page.locator(".toolbar .title").innerText()).toBe("second-name · step-5");
    await expect
      .poll(() => parameters.page.locator(".totals .model").innerText())
      .toContain("second-name · step-5");
    expect([...weights.faults, ...parameters.faults]).toEqual([]);
    await weights.close();
    await parameters.close();
    // The other tests have no run with weights.
    rmSync(run.path, { recursive: true });
  });

  it("draws a role before and after, and shows what became of half of it", async () => {
    const page = await open([before, after]);
    await page.page.getByRole("option", { name: "layers.1.mlp.up_proj" }).click();
    await expect.poll(() => page.page.locator("h1").innerText()).toBe("layers.1.mlp.up_proj");
    const statistics = page.page.locator(".statistics");
    await expect.poll(() => statistics.innerText()).toContain("16,384 (50.0 %)");
    expect(await statistics.innerText()).toContain("32,768");
    expect(await page.page.locator(".histogram .bars, .histogram .over").count()).toBe(2);
    await page.screenshot("weights-dark");
    await page.page.locator("vscode-checkbox", { hasText: "Logarithmic counts" }).click();
    await page.page.locator(".histogram").press("ArrowRight");
    await expect
      .poll(() => page.page.locator(".wide .hint").innerText())
      .toMatch(/ to .*dense: .*pruned: .*%/);
    await page.screenshot("weights-logarithmic-dark");
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("paints each value of a small matrix in its place, and shows it at the pointer and by keyboard", async () => {
    const page = await open([before, after]);
    await page.page.getByRole("option", { name: "layers.0.self_attn.q_proj" }).click();
    await expect.poll(() => page.page.locator("h1").innerText()).toBe("layers.0.self_attn.q_proj");
    const canvas = page.page.locator(".heat canvas").first();
    await expect.poll(() => canvas.getAttribute("width")).toBe("128");
    const wanted = await harness.backend.request("weights.heatMap", {
      subject: before,
      role: "layers.0.self_attn.q_proj",
      rows: 160,
      columns: 240,
    });
    expect([wanted.rows, wanted.columns]).toEqual([128, 128]);
    const pixels = await page.page.evaluate<number[]>(
      `[...document.querySelector(".heat canvas").getContext("2d").getImageData(0, 0, 128, 128).data]`,
    );
    // Blue for values below zero, orange above: the red and blue channels show which.
    const largest = Math.max(...wanted.values.map((value) => Math.abs(value!)));
    wanted.values.forEach((value, i) => {
      const [red, , blue] = pixels.slice(i * 4) as [number, number, number];
      if (Math.abs(value!) > largest / 50) expect(red > blue).toBe(value! > 0);
    });
    const box = (await canvas.boundingBox())!;
    await canvas.hover({ position: { x: box.width * (5.5 / 128), y: box.height * (2.5 / 128) } });
    const shown = page.page.locator(".heat .hint").first();
    await expect.poll(() => shown.innerText()).toContain("Row 2, column 5");
    const value = Number((await shown.innerText()).split(": ")[1]!.replace("−", "-"));
    expect(value).toBeCloseTo(wanted.values[2 * 128 + 5]!, 4);
    await canvas.press("ArrowDown");
    await expect.poll(() => shown.innerText()).toContain("Row 3, column 5");
    // Both pictures show the value at the same place.
    await expect.poll(() => page.page.locator(".heat .hint").last().innerText()).toContain("Row 3, column 5");
    await page.close();
  });

  it("shows a role as a rotating surface, and as correlations, and saves each as PNG, SVG and CSV", async () => {
    const page = await open([before, after]);
    await page.page.getByRole("option", { name: "layers.1.mlp.up_proj" }).click();
    await expect.poll(() => page.page.locator("h1").innerText()).toBe("layers.1.mlp.up_proj");
    await page.page.getByLabel("Picture").selectOption("Surface");
    const landscape = page.page.getByRole("group", { name: /^Landscape of dense/ });
    await landscape.waitFor();
    const outline = () => landscape.locator("path").first().getAttribute("d");
    const still = await outline();
    await landscape.press("ArrowRight");
    await expect.poll(outline).not.toBe(still);
    const turned = await outline();
    const box = (await landscape.boundingBox())!;
    await page.page.mouse.move(box.x + 150, box.y + 150);
    await page.page.mouse.down();
    await page.page.mouse.move(box.x + 220, box.y + 170, { steps: 4 });
    await page.page.mouse.up();
    await expect.poll(outline).not.toBe(turned);
    await page.screenshot("weights-surface-dark");
    for (const format of ["PNG", "SVG", "CSV"])
      await page.page.getByRole("button", { name: `Save Surface of pruned as ${format}` }).click();
    await expect.poll(() => page.asked.saved.length).toBe(3);
    const [png, svg, csv] = page.asked.saved.map(
      ({ content }) => content as { text?: string; base64?: string },
    );
    expect(Buffer.from(png!.base64!, "base64").subarray(1, 4).toString()).toBe("PNG");
    expect(svg!.text!.match(/Z"|ZM/g)!.length).toBeGreaterThan(1000);
    expect(csv!.text!.split(/\r?\n/)[0]).toBe("row,column,value");

    await page.page.getByLabel("Picture").selectOption("Correlation of outputs");
    const canvas = page.page.locator(".heat canvas").first();
    await expect.poll(() => canvas.getAttribute("width")).toBe("160");
    const wanted = await harness.backend.request("weights.correlation", {
      subject: before,
      role: "layers.1.mlp.up_proj",
      along: "columns",
      most: 160,
    });
    expect(wanted.values[161]).toBeCloseTo(1, 9);
    await canvas.hover({ position: { x: 1, y: 1 } });
    await expect.poll(() => page.page.locator(".heat .hint").first().innerText()).toMatch(/: 1$/);
    expect(await page.violations()).toEqual([]);
    const kept = await page.page.evaluate<{ state: unknown }>("acquireVsCodeApi().getState()");
    expect(page.faults).toEqual([]);
    await page.close();
    for (const theme of ["light", "highContrast"] as const) {
      const again = await open([], { state: kept.state, theme });
      await expect.poll(() => again.page.locator(".heat canvas").count()).toBe(2);
      expect(await again.violations()).toEqual([]);
      await again.page.getByLabel("Picture").selectOption("Surface");
      await again.page.getByRole("group", { name: /^Landscape of dense/ }).waitFor();
      await again.screenshot(`weights-surface-${theme}`);
      await again.close();
    }
  });

  it("finds roles by text and keyboard, and restores the selected one", async () => {
    const page = await open([before]);
    await page.page.locator(".side vscode-textfield input").fill("2 down");
    const list = page.page.getByRole("listbox", { name: "Role" });
    await expect.poll(() => list.getByRole("option").count()).toBe(1);
    await list.press("ArrowDown");
    await expect.poll(() => page.page.locator("h1").innerText()).toBe("layers.2.mlp.down_proj");
    const kept = await page.page.evaluate<{ state: unknown }>("acquireVsCodeApi().getState()");
    await page.close();
    const again = await open([], { state: kept.state });
    expect(await again.page.locator("h1").innerText()).toBe("layers.2.mlp.down_proj");
    await again.close();
  });

  it("shows what to do without a model, and why a missing one cannot be shown", async () => {
    const empty = await open([]);
    await empty.page.getByText("No weights to show").waitFor();
    await empty.close();
    const page = await harness.panel("weights", {
      subjects: [{ kind: "path", path: join(workspace, "nowhere") }],
    });
    await expect.poll(() => page.page.getByRole("alert").innerText()).toContain("nowhere");
    // Another model can be selected, and no message has to be dismissed.
    await page.page.getByRole("button", { name: "Change" }).click();
    const search = page.page.locator(".menu vscode-textfield input");
    await search.waitFor();
    await expect
      .poll(() => page.page.locator(".menu").first().innerText())
      .toContain("Weights exist only after a run");
    await page.close();
  });

  it("shows how an experiment that has never run gets weights", async () => {
    const experiment = resolve("examples/papers/kphi3/JP47D54C.lathe.md");
    const page = await harness.panel("weights", { subjects: [{ kind: "plan", experiment }] });
    const said = page.page.getByRole("alert");
    await expect
      .poll(() => said.innerText())
      .toContain("JP47D54C.lathe.md is only planned and has no weights yet");
    expect(await said.innerText()).toContain("Run it, then choose the run");
    expect(await page.violations()).toEqual([]);
    await page.screenshot("weights-never-ran-dark");
    await page.close();
  });

  it.each<ThemeName>(["dark", "light", "highContrast", "highContrastLight"])(
    "is accessible in the theme %s",
    async (theme) => {
      const page = await open([before, after], { theme });
      await page.screenshot(`weights-${theme}`);
      expect(await page.violations()).toEqual([]);
      expect(page.faults).toEqual([]);
      await page.close();
    },
  );
});
