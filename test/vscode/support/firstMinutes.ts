/**
 * The first minutes of a person who has installed the extension, with the keyboard alone: from a folder with three texts to
 * the first curve of a model of their own. A test and `npm run bench:workbench` share these steps.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRandomStream } from "../../../src/backend/representations/randomStream";
import type { Study } from "./study";
import type { Window } from "./window";

const words =
  "a boat the harbor wind slowly carries fish home and every market evening some children sing".split(" ");

/** Three text files of 200 kB each, the same each time. */
export function writeThreeTexts(folder: string): void {
  for (const name of ["harbor.txt", "market.txt", "evening.txt"]) {
    const random = createRandomStream(name, 0);
    let text = "";
    while (text.length < 200_000) {
      const count = 4 + Math.floor(random() * 8);
      const sentence = Array.from({ length: count }, () => words[Math.floor(random() * words.length)]);
      text += `${sentence.join(" ")}.\n`;
    }
    writeFileSync(join(folder, name), text);
  }
}

/** What happened, and how many milliseconds after the first key. */
export interface Moment {
  readonly name: string;
  readonly time: number;
}

/**
 * From a window with the folder open to the first curve. Takes a screenshot at each moment. Throws what a step of Playwright
 * throws that does not come to its end.
 */
export async function reachFirstCurve(window: Window, study: Study): Promise<readonly Moment[]> {
  const { page } = window;
  const startTime = performance.now();
  const moments: Moment[] = [];
  const note = async (name: string) => {
    moments.push({ name, time: performance.now() - startTime });
    await window.screenshot(`first-${moments.length}`);
  };
  const rows = page.locator(".quick-input-widget:visible .quick-input-list .monaco-list-row");

  await runByKeyboard(window, "Lathe: New Experiment…");
  await rows.first().filter({ hasText: "your own text" }).waitFor({ timeout: 60_000 });
  await note("templates listed, the person's own text first");
  await page.keyboard.press("Enter");
  const input = page.locator(".quick-input-widget:visible input.input");
  await waitUntil(async () => (await input.inputValue()).includes(study.folder));
  await input.selectText();
  await page.keyboard.type(join(study.folder, "own"));
  await page.keyboard.press("Enter");
  await page.locator(".notebookOverlay").getByText("sequence_len").first().waitFor({ timeout: 60_000 });
  await note("experiment opened");
  await runByKeyboard(window, "Notebook: Run All");
  await waitUntil(() => Promise.resolve(study.runs().length > 0));
  await runByKeyboard(window, "Notebook: Focus Last Cell");
  await window.outputs.locator("canvas").first().waitFor({ timeout: 60_000 });
  await waitUntil(async () => (await window.curve()).to > 0);
  await note("first points of the curve");
  return moments;
}

/** Types a command's title into the palette and presses Enter when it comes first. */
export async function runByKeyboard(window: Window, title: string): Promise<void> {
  const { page } = window;
  const input = page.locator(".quick-input-widget:visible input.input");
  const rows = page.locator(".quick-input-widget:visible .quick-input-list .monaco-list-row");
  for (let tries = 1; ; tries++) {
    try {
      await page.keyboard.press("F1");
      await input.waitFor({ timeout: 5_000 });
      await input.fill(`>${title}`);
      await rows.first().filter({ hasText: title }).waitFor({ timeout: 8_000 });
      break;
    } catch (thrown) {
      // A window that is still loading may close the palette.
      if (tries === 4) throw thrown;
      await page.keyboard.press("Escape");
    }
  }
  await page.keyboard.press("Enter");
}

/** Polls for a minute. */
export async function waitUntil(isTrue: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await isTrue());) {
    if (Date.now() > end) throw new Error("What was waited for did not happen within a minute.");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
