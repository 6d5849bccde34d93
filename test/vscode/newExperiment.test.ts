/** A new experiment in a folder with text: from the list of templates to a file, which replaces no other. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { Study } from "./support/study";
import { noWindow, type Window } from "./support/window";

const reason = noWindow();
if (reason !== undefined) console.log(`No experiment was created in VS Code: ${reason}`);

describe.skipIf(reason !== undefined)("a new experiment", () => {
  let study: Study;
  let window: Window;

  beforeAll(async () => {
    study = await Study.open();
    for (const name of ["a.txt", "b.txt", "c.txt"])
      writeFileSync(join(study.folder, name), `${name} is short. `.repeat(2000));
    writeFileSync(join(study.folder, "quick.lathe.md"), "# Mine\n");
    window = await study.window();
  });
  afterAll(() => study.close());

  const rows = () => window.page.locator(".quick-input-widget:visible .quick-input-list .monaco-list-row");
  const input = () => window.page.locator(".quick-input-widget:visible input.input");

  /** The dialog for files: its input holds the whole path. */
  async function nameFile(name: string): Promise<void> {
    await expect.poll(() => input().inputValue()).toContain(study.folder);
    await input().fill(join(study.folder, name));
    await window.page.keyboard.press("Enter");
  }

  /** A notebook that is being opened takes the focus, which closes the list of templates. */
  async function chooseTemplate(title: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      await window.command("Lathe: New Experiment…");
      try {
        await window.choose(title);
        return;
      } catch (thrown) {
        if (tries === 4) throw thrown;
      }
    }
  }

  test("begins with a person's own text, its size and the time it takes", async () => {
    onTestFailed(() => window.screenshot("failed-templates"));
    await window.command("Lathe: New Experiment…");
    await expect.poll(() => rows().first().textContent(), { timeout: 60_000 }).toContain("your own text");
    const first = await rows().first().textContent();
    expect(first).toContain("a minute");
    expect(first).toContain("3 files (a.txt, b.txt, c.txt)");
    expect(first).toContain("too little text for this model");
    await window.screenshot("templates");
    await window.page.keyboard.press("Escape");
  });

  test("asks before it replaces a file whose ending it has added", async () => {
    onTestFailed(() => window.screenshot("failed-replace"));
    await chooseTemplate("Quick: which of two");
    await nameFile("quick");
    const dialog = window.page.locator(".monaco-dialog-box");
    await dialog.getByText("quick.lathe.md already exists. Replace it?").waitFor();
    await window.screenshot("replace");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await nameFile("quick-2.lathe.md");
    await expect.poll(() => existsSync(join(study.folder, "quick-2.lathe.md"))).toBe(true);
    expect(readFileSync(join(study.folder, "quick.lathe.md"), "utf8")).toBe("# Mine\n");
  });

  test("on own text reports its size above the data", async () => {
    onTestFailed(() => window.screenshot("failed-own-text"));
    await chooseTemplate("A small model on your own text");
    await nameFile("own");
    await window.page.locator(".codelens-decoration").getByText("3 files").waitFor({ timeout: 60_000 });
    await window.screenshot("own-text");
    expect(readFileSync(join(study.folder, "own.lathe.md"), "utf8")).toContain('text: ["**/*.txt"]');
  });

  test("opens by a click in the tree when it is closed", async () => {
    onTestFailed(() => window.screenshot("failed-click"));
    await window.command("View: Close All Editors");
    await window.openSidePanel();
    await window.treeRow(/^quick-2/, "Experiments").click();
    await window.page.locator(".notebookOverlay").getByText("grammar").first().waitFor();
    await window.screenshot("clicked");
  });

  test("has the data of its example beside it, and replaces no other file of that name", async () => {
    onTestFailed(() => window.screenshot("failed-data"));
    await chooseTemplate("Preference: a model learns");
    await nameFile("answers");
    await expect.poll(() => existsSync(join(study.folder, "answers.lathe.md"))).toBe(true);
    for (const name of ["text.txt", "questions.jsonl", "pairs.jsonl"])
      expect(readFileSync(join(study.folder, "preference", name))).toEqual(
        readFileSync(join("examples/preference", name)),
      );
    writeFileSync(join(study.folder, "preference/pairs.jsonl"), "mine\n");
    await chooseTemplate("Preference: a model learns");
    await nameFile("other");
    await window.page.getByText("there is another file of this name").first().waitFor();
    expect(existsSync(join(study.folder, "other.lathe.md"))).toBe(false);
    expect(readFileSync(join(study.folder, "preference/pairs.jsonl"), "utf8")).toBe("mine\n");
  });
});
