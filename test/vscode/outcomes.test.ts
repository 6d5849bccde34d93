/** The end of runs and their results: the alerts of a window, its models and devices, and their actions. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { Study } from "./support/study";
import { tinyExperiment } from "./support/tinyExperiment";
import { noWindow, type Window } from "./support/window";

const reason = noWindow();
if (reason !== undefined) console.log(`No run ended in VS Code: ${reason}`);

/** On one device, in sequence: a training that diverges, one that ends, and one that would take hours. */
const variants = `
\`\`\`yaml
variants:
  diverged: {train: {learning_rate: 1e30, max_grad_norm: 0}}
  ended: {}
  killed: {train: {max_steps: 1000000}}
\`\`\`

\`\`\`yaml
export: {format: safetensors}
\`\`\`
`;

describe.skipIf(reason !== undefined)("in VS Code", () => {
  let study: Study;
  let window: Window;

  beforeAll(async () => {
    study = await Study.open();
    writeFileSync(join(study.folder, "outcomes.lathe.md"), tinyExperiment("outcomes") + variants);
    window = await study.window();
  });
  afterAll(() => study.close());

  const patience = { timeout: 90_000 };
  const picture = (name: string) => onTestFailed(() => window.screenshot(`failed-${name}`));
  const run = (variant: string) => study.runs().find(({ plan }) => plan.variant === variant);

  test("a run that ends, one whose loss is NaN and one that is killed are each reported once, with possible actions", async () => {
    picture("alerts");
    await window.openFile("outcomes.lathe.md");
    await window.runAll();
    await expect.poll(() => run("killed")?.progress?.step ?? 0, patience).toBeGreaterThan(0);
    process.kill(run("killed")!.process!.pid, "SIGKILL");
    await expect
      .poll(() => [run("diverged")?.state, run("ended")?.state], patience)
      .toEqual(["failed", "done"]);

    const told = async () => (await window.notifications()).filter((text) => text.includes("outcomes-"));
    await expect.poll(async () => (await told()).length, patience).toBeGreaterThanOrEqual(3);
    expect((await told()).toSorted()).toEqual([
      expect.stringMatching(/^outcomes-diverged: .*(is not a number at step \d|the loss is NaN)/),
      expect.stringMatching(/^outcomes-ended: Done with an? (eval|train) loss of \d/),
      expect.stringMatching(/^outcomes-killed: The process of the run has disappeared/),
    ]);
    await window.screenshot("alerts");
    await window.notificationAction("outcomes-killed", "Resume");
    await expect.poll(() => run("killed")?.state, patience).toBe("running");
    await window.notificationAction("outcomes-diverged", "Show Log");
    await window.page.locator(".editor-instance .view-lines").getByText("diverged").first().waitFor();
    await window.command("Lathe: Stop Run");
    await expect.poll(() => run("killed")?.state, patience).toBe("stopped");
  });

  test("a window that is opened later repeats none of the alerts, and lists the checkpoint and the exported model", async () => {
    picture("models");
    await window.reload();
    await window.openSidePanel();
    await window.command("Lathe: Focus on Models View");
    await window.treeRow("outcomes-ended", "Models").click();
    await expect
      .poll(() => window.treeLabels("Models"), patience)
      .toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^Checkpoint, step 30, .*B, phi3/),
          expect.stringMatching(/^Export of step 1, exported model, .*B, phi3/),
        ]),
      );
    await window.screenshot("models");
    // The service has listed all runs by now, which is when it would report their ends.
    expect((await window.notifications()).filter((text) => text.includes("outcomes-"))).toEqual([]);
  });

  test("the model of a run is exported through the palette", async () => {
    picture("export");
    await window.command("Lathe: Export Model…");
    await window.choose("outcomes-ended");
    await window.choose("safetensors");
    const target = window.page.locator(".quick-input-widget:visible input.input");
    await expect.poll(() => target.inputValue(), patience).toMatch(/outcomes-ended-.*-safetensors$/);
    await window.page
      .locator(".quick-input-widget:visible")
      .getByRole("button", { name: "OK", exact: true })
      .click();
    const exported = () =>
      readdirSync(study.folder).filter((name) => existsSync(join(study.folder, name, "model.safetensors")));
    await expect.poll(exported, patience).toEqual([expect.stringMatching(/^outcomes-ended-.*-safetensors$/)]);
    await expect
      .poll(() => window.notifications(), patience)
      .toContainEqual(expect.stringMatching(/^Exported the model: \d+ files in /));
  });

  test("every device shows whether it works, and one is selected through the palette", async () => {
    picture("devices");
    await window.command("Lathe: Focus on Devices View");
    await window.treeRow("cpu", "Devices").waitFor();
    const labels = await window.treeLabels("Devices");
    expect(labels).toContainEqual(expect.stringMatching(/^cpu, works, /));
    expect(labels.length).toBeGreaterThan(1);
    const devices = labels.filter((label) => !/^(Python( [\w.+]+)?|Card \d+), ./.test(label));
    for (const label of devices) expect(label).toMatch(/^[\w:]+, (works|does not work here: [^,]+)/);

    await window.command("Lathe: Choose Device…");
    await window.choose("cpu");
    await window.treeRow(/cpu.*chosen/, "Devices").waitFor();
    const settings = join(study.folder, ".vscode/settings.json");
    await expect
      .poll(() => existsSync(settings) && (JSON.parse(readFileSync(settings, "utf8")) as unknown), patience)
      .toEqual({ "lathe.device": "cpu" });
    await window.screenshot("devices");
  });
});
