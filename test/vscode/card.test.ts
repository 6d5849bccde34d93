/**
 * The paper card of kphi-3 in VS Code, with its small scale reduced to a few steps: it runs from the notebook, draws
 * its curves, and ends with its table.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { Study } from "./support/study";
import { noWindow, type Window } from "./support/window";

const reason = noWindow();
if (reason !== undefined) console.log(`No paper card in VS Code: ${reason}`);

/** The card with replaced numbers, each of which must occur in it. */
function changed(card: string, changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`The card has no ${from}.`);
    return text.replace(from, to);
  }, card);
}

describe.skipIf(reason !== undefined)("the paper card in VS Code", () => {
  let study: Study;
  let window: Window;

  beforeAll(async () => {
    study = await Study.open();
    const card = readFileSync("examples/papers/kphi3/card.lathe.md", "utf8");
    const short = changed(card, [
      ["max_steps: 600", "max_steps: 60"],
      ["max_steps: 219", "max_steps: 22"],
      ["seed: [0, 1, 2, 3, 4]", "seed: [0, 1]"],
      ["eval_steps: 200", "eval_steps: 20"],
      ["max_tokens: 16384", "max_tokens: 2048"],
    ]);
    writeFileSync(join(study.folder, "card.lathe.md"), short);
    window = await study.window();
  });
  afterAll(() => study.close());

  test(
    "shows all its runs, its curves beside the published one, its table and its conclusions",
    { timeout: 300_000 },
    async () => {
      onTestFailed(() => window.screenshot("failed-card"));
      await window.openFile("card.lathe.md");
      await window.runAll();
      const states = () => study.runs().map(({ state }) => state);
      await expect.poll(states, { timeout: 200_000 }).toEqual(new Array<string>(12).fill("done"));
      await window.scrollNotebookTo("report: {}");
      const output = window.outputs;
      await output.getByText("Published and reproduced").first().waitFor();
      await output.getByText("15.63 %").first().waitFor();
      await output
        .getByText(/Do 15 % of the parameters reach the dense validation loss\?/)
        .first()
        .waitFor();
      await window.screenshot("card-table");
      await window.scrollNotebookTo("per_device_train_batch_size: 1");
      await output.locator("canvas").first().waitFor();
      await expect.poll(async () => (await window.curve()).to).toBe(60);
      await window.screenshot("card-curves");
    },
  );
});
