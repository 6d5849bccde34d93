/** What the packed extension shows about itself, and what it shows in another language. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { createGalleryPage } from "../../scripts/galleryPage";
import { WrittenRun } from "../webview/sampleRuns";
import { Study } from "./support/study";
import { noWindow, type Window } from "./support/window";

const reason = noWindow();
if (reason !== undefined) console.log(`No packed extension in VS Code: ${reason}`);

describe.skipIf(reason !== undefined)("the packed extension in another language", () => {
  let study: Study;
  let window: Window;

  beforeAll(async () => {
    study = await Study.open({
      installed: true,
      pseudoLanguage: true,
      settings: { "lathe.confirmations": "trash" },
    });
    await WrittenRun.write(study.folder, {
      name: "first",
      variant: "dense",
      experiment: "first.lathe.md",
      seed: 1,
      floor: 1.4,
      state: "done",
    });
    const [name] = readdirSync(join(study.server.home, "extensions")).filter((each) =>
      each.startsWith("lathe.lathe-"),
    );
    // The page as it is published, and what answers for the repository.
    const repository = { url: "https://github.com/someone/lathe" };
    const page = createGalleryPage(".", { version: "1.2.3", repository });
    writeFileSync(join(study.server.home, "extensions", name!, "readme.md"), page);
    window = await study.window();
    await window.page
      .context()
      .route("https://raw.githubusercontent.com/someone/lathe/v1.2.3/**", (route) =>
        route.fulfill({ path: new URL(route.request().url()).pathname.split("/").slice(4).join("/") }),
      );
  });
  afterAll(() => study.close());

  test("shows its page with every picture in the Extensions view", async () => {
    onTestFailed(() => window.screenshot("failed-extension-page"));
    await window.command("Extensions: Show Installed Extensions");
    await window.page.locator(".extension-list-item").filter({ hasText: "Lathe" }).first().click();
    const countPictures = async () => {
      const counts = await Promise.all(
        window.page
          .frames()
          .map((frame) =>
            frame
              .evaluate<number>("[...document.images].filter((image) => image.naturalWidth > 0).length")
              .catch(() => 0),
          ),
      );
      return Math.max(...counts);
    };
    await expect.poll(countPictures).toBe(3);
    await window.screenshot("extension-page");
    await window.command("View: Close All Editors");
  });

  test("shows the texts of the manifest and those of the extension host translated", async () => {
    onTestFailed(() => window.screenshot("failed-language"));
    await window.openSidePanel();
    const headings = window.page.locator(".part.sidebar .pane-header .title");
    await expect.poll(() => headings.first().textContent()).toContain("⟦");
    expect((await headings.allTextContents()).filter((text) => !/^⟦.*⟧$/.test(text))).toEqual([]);
    await window.command("Lathe: ⟦New Experiment…⟧");
    const title = window.page.locator(".quick-input-widget:visible .quick-input-title");
    await expect.poll(() => title.textContent()).toBe("⟦Start from⟧");
    await window.screenshot("pseudo-language");
    await window.page.keyboard.press("Escape");
  });

  test("asks before a run is moved to the trash, because the settings want it", async () => {
    onTestFailed(() => window.screenshot("failed-confirmation"));
    await window.openSidePanel();
    await window.treeRow(/^first/, "⟦Runs⟧").click();
    await window.page.keyboard.press("Delete");
    const dialog = window.page.locator(".monaco-dialog-box");
    await dialog.getByText("⟦Move first to the trash?⟧").waitFor();
    await window.screenshot("confirmation");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "detached" });
    expect(study.runs()).toHaveLength(1);
  });

  test("shows the page about a setting, from its description", async () => {
    onTestFailed(() => window.screenshot("failed-setting"));
    await window.command("Preferences: Open Settings (UI)");
    await window.page.locator(".settings-editor .suggest-input-container").click();
    await window.page.keyboard.type("lathe.confirmations");
    await window.page.locator(".setting-item-markdown a", { hasText: "About runs" }).first().click();
    await window.page.locator(".tab", { hasText: "workbench.md" }).waitFor();
    await window.screenshot("documentation");
  });
});
