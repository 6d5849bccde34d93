/** Whichever process is killed, the run continues or can be resumed, and the window shows the true state. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { Study } from "./support/study";
import { tinyExperiment } from "./support/tinyExperiment";
import { noWindow, type Window } from "./support/window";

const reason = noWindow();
if (reason !== undefined) console.log(`Nothing was killed under VS Code: ${reason}`);

describe.skipIf(reason !== undefined)("in VS Code", () => {
  let study: Study;
  let window: Window;

  beforeAll(async () => {
    study = await Study.open();
    writeFileSync(join(study.folder, "first.lathe.md"), tinyExperiment("first", 1_000_000));
    window = await study.window();
  });
  afterAll(() => study.close());

  const patience = { timeout: 60_000 };
  const step = () => study.runs()[0]?.progress?.step ?? 0;
  const state = () => study.runs()[0]?.state;

  test("a run continues when the extension host is killed, and the reloaded window has its whole curve", async () => {
    onTestFailed(() => window.screenshot("failed-host-killed"));
    await window.openFile("first.lathe.md");
    await window.runAll();
    await expect.poll(step, patience).toBeGreaterThan(10);

    const [host] = study.server.processes("--type=extensionHost");
    process.kill(host!, "SIGKILL");
    const then = step();
    await expect.poll(step, patience).toBeGreaterThan(then + 50);

    await window.reload();
    // The window of an extension under development does not restore editors.
    await window.openFile("first.lathe.md");
    await window.scrollNotebookTo("max_steps");
    await expect.poll(async () => (await window.curve()).to, patience).toBeGreaterThan(then + 50);
    expect((await window.curve()).from).toBe(1);
    const seen = (await window.curve()).to;
    await expect.poll(async () => (await window.curve()).to, patience).toBeGreaterThan(seen);
    await window.screenshot("after-host-killed");
  });

  test("a killed run shows as interrupted, and resumes from its last checkpoint", async () => {
    onTestFailed(() => window.screenshot("failed-run-killed"));
    const { id, process: owner } = study.runs()[0]!;
    process.kill(owner!.pid, "SIGKILL");
    await window.openSidePanel();
    await expect
      .poll(() => window.treeLabels(), patience)
      .toContainEqual(expect.stringMatching(/interrupted/));
    await window.screenshot("interrupted");
    await window.command("Lathe: Resume Run");
    await expect.poll(state, patience).toBe("running");
    const before = study.losses(id);
    await expect.poll(() => study.losses(id), patience).toBeGreaterThan(before);
    await window.command("Lathe: Stop Run");
    await expect.poll(state, patience).toBe("stopped");
  });

  test("a killed service causes one notice, and the next request works", async () => {
    onTestFailed(() => window.screenshot("failed-service-killed"));
    const [service] = study.server.processes("backend.cjs");
    process.kill(service!, "SIGKILL");
    await expect.poll(() => study.server.processes("backend.cjs"), patience).not.toContain(service);
    await window.command("Lathe: Open Runs");
    await window.panel.getByText("stopped").first().waitFor();
    const notices = (await window.notifications()).filter((text) => text.includes("service"));
    expect(notices).toHaveLength(1);
    await window.screenshot("service-killed");
  });
});
