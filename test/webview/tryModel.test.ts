/** The panel Try Model with real processes of tiny models. */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundle } from "../../scripts/bundle";
import { createBytesTokenizer } from "../../src/backend/data/tokenizers/bytes";
import { createCharactersTokenizer } from "../../src/backend/data/tokenizers/characters";
import { exportModel } from "../../src/backend/exports/exportModel";
import type { Subject } from "../../src/protocol/service/models";
import { drawModelTensors, createTinyShape } from "../support/subject";
import { noChromium, PageHarness, type PageOptions, type TestPage } from "./pageHarness";

describe.skipIf(noChromium !== undefined)("the panel Try Model", () => {
  const programs = resolve("node_modules/.cache/lathe-tests", `try-${process.pid}`);
  let workspace: string;
  let harness: PageHarness;
  const at = (name: string): Subject => ({ kind: "path", path: join(workspace, name) });

  beforeAll(async () => {
    workspace = realpathSync(mkdtempSync(join(tmpdir(), "lathe-pages-")));
    mkdirSync(join(workspace, ".lathe"));
    await bundle({ source: "src/cli/main.ts", file: "lathe.cjs" }, programs);
    process.env.LATHE_COMMAND = join(programs, "lathe.cjs");
    process.env.LATHE_THREADS = "1";
    const letters = createCharactersTokenizer(Array.from("Hi abcdefgh"), true);
    for (const [name, seed, tokenizer] of [
      ["dense", 3, createBytesTokenizer()],
      ["<i>shrunk", 4, createBytesTokenizer()],
      ["letters", 3, letters],
    ] as const) {
      const shape = createTinyShape("gpt2", { vocab_size: tokenizer.vocabSize, n_positions: 4096 });
      const subject = { shape, tensors: drawModelTensors(shape, seed), tokenizer };
      await exportModel(subject, { format: "safetensors" }, join(workspace, name));
    }
    cpSync(join(workspace, "dense"), join(workspace, "chat"), { recursive: true });
    writeFileSync(
      join(workspace, "chat", "chat_template.jinja"),
      "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}",
    );
    harness = await PageHarness.open(workspace);
  }, 120_000);
  afterAll(async () => {
    await harness.close();
    for (const folder of [workspace, programs]) rmSync(folder, { recursive: true, force: true });
  });

  async function open(subjects: readonly Subject[], options: PageOptions = {}): Promise<TestPage> {
    const input = { subjects, device: "cpu" };
    const page = await harness.panel("tryModel", input, { width: 1200, height: 760, ...options });
    page.page.setDefaultTimeout(30_000);
    return page;
  }
  const heads = ({ page }: TestPage) => page.locator(".head");
  const answers = ({ page }: TestPage) => page.locator(".answer");
  const loaded = (page: TestPage) =>
    expect
      .poll(() => heads(page).allInnerTexts(), { timeout: 30_000 })
      .toSatisfy((texts: string[]) => texts.every((text) => text.includes("parameters")));
  async function ask({ page }: TestPage, prompt: string, tokens = 12): Promise<void> {
    await page.getByLabel("Max tokens").fill(String(tokens));
    await page.getByLabel("Max tokens").press("Tab");
    await page.getByLabel("Prompt", { exact: true }).fill(prompt);
    const turns = page.locator("h3.turn");
    const before = await turns.count();
    await page.getByRole("button", { name: "Generate" }).click();
    // The turn and the button Stop are drawn together.
    await expect.poll(() => turns.count()).toBe(before + 1);
  }
  const idle = ({ page }: TestPage) => page.getByRole("button", { name: "Generate" }).waitFor();

  it("streams two answers, marks the tokens that changed, and shows both probabilities, and can be stopped; text is only text", async () => {
    const page = await open([at("dense"), at("<i>shrunk")]);
    await loaded(page);
    await ask(page, "<img src=x onerror=alert(1)>");
    await idle(page);
    await expect.poll(() => page.page.locator("mark").count()).toBeGreaterThan(0);
    expect(await answers(page).count()).toBe(2);
    expect(await page.page.locator("h3.turn").innerText()).toContain("<img src=x onerror=alert(1)>");
    expect(await heads(page).nth(1).innerText()).toContain("<i>shrunk");
    for (const text of await answers(page).allInnerTexts()) {
      expect(text).toMatch(/^12 tokens · .* tokens\/s \(shared\)/);
      expect(text).toMatch(/Perplexity of this answer: .*dense \d/);
    }
    // The number of tokens is that of the pieces, and every piece can be pointed at.
    expect(await answers(page).first().locator("[data-token]").count()).toBe(12);
    const mark = page.page.locator("mark").first();
    const title = await mark.getAttribute("title");
    const pattern = /: dense (\S+) %, <i>shrunk (\S+) % \((\S+) times (less|more) likely\)$/;
    const [own, other, factor] = pattern
      .exec(title!)!
      .slice(1, 4)
      .map((text) => Number(text.replace(/,/g, "")));
    const change = Math.log(other! / own!);
    // Both probabilities are rounded.
    expect(Math.abs(Math.abs(change) - Math.log(factor!))).toBeLessThan(0.1);
    expect(title!.endsWith(`${change < 0 ? "less" : "more"} likely)`)).toBe(true);
    expect(factor).toBeGreaterThanOrEqual(2);
    await mark.hover();
    await expect.poll(() => page.page.locator(".reading").innerText()).toBe(title);
    // The same with keys alone.
    await page.page.mouse.move(0, 0);
    await mark.focus();
    await page.page.keyboard.press("ArrowRight");
    const second = page.page.locator("mark").nth(1);
    await expect
      .poll(() => page.page.locator(".reading").innerText())
      .toBe(await second.getAttribute("title"));
    for (const theme of ["light", "highContrast", "highContrastLight", "dark"] as const) {
      await page.setTheme(theme);
      await page.screenshot(`tryModel-${theme}`);
      expect(await page.violations()).toEqual([]);
    }
    // A stopped answer keeps what there is; the other one waits for its turn.
    await page.page.getByLabel("One after the other").check();
    await ask(page, "Hi", 4000);
    const long = answers(page).nth(2);
    await expect.poll(() => long.innerText()).toMatch(/\d+ tokens · .*…/);
    await page.page.getByRole("button", { name: "Stop" }).click();
    await idle(page);
    expect(await long.innerText()).toContain("stopped");
    expect(await answers(page).nth(3).innerText()).toBe("not generated");
    await ask(page, "Hi", 5);
    await idle(page);
    expect((await answers(page).nth(5).innerText()).split("\n")[0]).toMatch(/^5 tokens · [\d.,]+ tokens\/s$/);
    await page.page.getByRole("button", { name: "Clear" }).click();
    await expect.poll(() => answers(page).count()).toBe(0);
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("keeps models apart: one that fails, one with other tokens, and one that is added later", async () => {
    const page = await open([at("dense"), at("nowhere"), at("letters")]);
    await expect.poll(() => heads(page).nth(1).innerText(), { timeout: 30_000 }).toContain("nowhere");
    await expect.poll(() => heads(page).nth(2).innerText(), { timeout: 30_000 }).toContain("parameters");
    await ask(page, "Hi");
    await idle(page);
    const texts = await answers(page).allInnerTexts();
    expect(texts[0]).toContain("12 tokens");
    expect(texts[0]).toContain(
      "Not scored by letters: its tokenizer has other tokens, so their probabilities cannot be compared.",
    );
    expect(texts[1]).toBe("not generated");
    expect(texts[2]).toContain("tokens");
    expect(await page.page.locator("mark").count()).toBe(0);
    await page.page.getByRole("button", { name: "Remove nowhere" }).click();
    await expect.poll(() => heads(page).count()).toBe(2);
    page.folder = join(workspace, "<i>shrunk");
    await page.page.getByRole("button", { name: "Open a folder…" }).click();
    await loaded(page);
    await expect.poll(() => answers(page).nth(2).innerText()).toBe("added later");
    expect(page.faults).toEqual([]);
    await page.close();
  });

  it("keeps the turns of a conversation for a model with a chat template; another one continues the prompt as text", async () => {
    const contexts: string[] = [];
    const listener = harness.backend.on("answerGrew", ({ context }) => {
      if (context !== undefined) contexts.push(Buffer.from(context).toString());
    });
    const page = await open([at("chat"), at("dense")]);
    await loaded(page);
    await page.page.getByLabel("System prompt").fill("So");
    await ask(page, "Hi", 3);
    await idle(page);
    const prompt = page.page.getByLabel("Prompt", { exact: true });
    await expect.poll(() => prompt.inputValue()).toBe("");
    expect(await answers(page).nth(1).innerText()).toContain(
      "No chat template: continues the prompt as text.",
    );
    await ask(page, "And?", 3);
    await idle(page);
    await page.page.getByLabel("Chat", { exact: true }).uncheck();
    await ask(page, "Text", 3);
    await idle(page);
    expect(contexts.filter((text) => text.startsWith("s:"))).toEqual([
      "s:So;u:Hi;",
      expect.stringMatching(/^s:So;u:Hi;a:.*;u:And\?;$/s) as string,
    ]);
    expect(contexts.filter((text) => !text.startsWith("s:"))).toEqual(["Hi", "And?", "Text", "Text"]);
    listener.dispose();
    await page.close();
  });

  it("restores prompt, settings and models after a reload, loads them with the next answer, and survives a restart of the service", async () => {
    const page = await open([at("dense")]);
    await loaded(page);
    await page.page.getByLabel("Temperature").fill("0.7");
    await page.page.getByLabel("Top p").fill("3");
    await page.page.getByLabel("Seed").fill("9");
    await page.page.getByLabel("Prompt", { exact: true }).fill("Once");
    // A value that is not allowed leaves the last one that was.
    await expect.poll(() => page.page.getByLabel("Top p").inputValue()).toBe("1");
    const kept = await page.page.evaluate<{ state: object }>("acquireVsCodeApi().getState()");
    await page.close();
    // A page that is closed before it knows the titles of its models keeps them as null.
    const early = await open([], { state: { ...kept.state, titles: [null] } });
    await expect.poll(() => heads(early).innerText()).toContain("Loads with the next answer");
    await early.close();
    const again = await open([], { state: kept.state });
    await expect.poll(() => heads(again).innerText()).toContain("Loads with the next answer");
    expect(await again.page.getByLabel("Temperature").inputValue()).toBe("0.7");
    expect(await again.page.getByLabel("Seed").inputValue()).toBe("9");
    expect(await again.page.getByLabel("Prompt", { exact: true }).inputValue()).toBe("Once");
    await again.page.getByLabel("Prompt", { exact: true }).press("Control+Enter");
    await again.page.locator("h3.turn").waitFor();
    await idle(again);
    await expect.poll(() => answers(again).innerText()).toContain("64 tokens");
    // A restart of the service ends the answer with its reason, and loads the model again.
    // A sampled answer may end by itself.
    await again.page.getByLabel("Temperature").fill("0");
    await ask(again, "Hi", 4000);
    await expect.poll(() => answers(again).nth(1).innerText()).toMatch(/\d+ tokens · /);
    await harness.backend.restart();
    await expect.poll(() => again.page.locator(".answer .problem").innerText()).toContain("restarted");
    await loaded(again);
    await ask(again, "Hi", 5);
    await idle(again);
    await expect.poll(() => answers(again).nth(2).innerText()).toContain("5 tokens");
    await again.close();
  });
});
