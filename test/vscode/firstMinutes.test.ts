/** A person with the packed extension, three texts and a keyboard: from the question of trust to the result. */
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { reachFirstCurve, runByKeyboard, writeThreeTexts } from "./support/firstMinutes";
import { Study } from "./support/study";
import { noWindow, type Window } from "./support/window";

const reason = noWindow();
if (reason !== undefined) console.log(`Nobody spent first minutes in VS Code: ${reason}`);

describe.skipIf(reason !== undefined)("the first minutes with the keyboard alone", () => {
  let study: Study;
  let window: Window;

  beforeAll(async () => {
    study = await Study.open({
      installed: true,
      workspaceTrust: true,
      settings: { "security.workspace.trust.startupPrompt": "always" },
    });
    writeThreeTexts(study.folder);
    window = await study.window();
  });
  afterAll(() => study.close());

  test("lead from trusting the folder to a curve, a result and the table of runs", async () => {
    onTestFailed(() => window.screenshot("failed-first-minutes"));
    const { page } = window;
    const trust = page.locator(".monaco-dialog-box").getByRole("button", { name: /trust the authors/ });
    await trust.first().waitFor({ timeout: 15_000 });
    await page.keyboard.press("Enter");
    await page.locator(".monaco-dialog-box").waitFor({ state: "detached" });

    await reachFirstCurve(window, study);
    await expect.poll(() => study.runs().map(({ state }) => state), { timeout: 300_000 }).toEqual(["done"]);

    await runByKeyboard(window, "Lathe: Open Runs");
    const rows = window.panel.locator('[role="row"]');
    await rows.filter({ hasText: "own" }).first().waitFor({ timeout: 60_000 });
    await window.screenshot("first-runs");
    await runByKeyboard(window, "Lathe: Open Charts");
    await window.panel.locator("canvas").first().waitFor({ timeout: 60_000 });
    await window.screenshot("first-charts");
  }, 420_000);
});
