import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createGalleryPage } from "../../scripts/galleryPage";
import { findReleaseFaults, type ReleasedManifest } from "../../scripts/releaseChecks";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string) => readFileSync(path.join(root, file), "utf8");
const manifest = JSON.parse(read("package.json")) as ReleasedManifest;
const published: ReleasedManifest = {
  version: "1.2.3",
  publisher: "someone",
  repository: { url: "https://github.com/someone/lathe.git" },
  bugs: { url: "https://github.com/someone/lathe/issues" },
  homepage: "https://github.com/someone/lathe#readme",
};
const changelog = "# Changelog\n\n## Unreleased\n\n## 1.2.3 – 2027-01-02\n\n### Added\n\n- A thing.\n";

test("a version without an address, a date or a place in the changelog is not released", () => {
  expect(findReleaseFaults(published, changelog)).toEqual([]);
  const withPlaceholders = { ...published, repository: manifest.repository, homepage: manifest.homepage };
  expect(findReleaseFaults({ ...withPlaceholders, version: "1.3.0-rc" }, changelog)).toEqual([
    'package.json: "repository" is the placeholder https://github.com/OWNER/lathe.git. Set the real address.',
    'package.json: "homepage" is the placeholder https://github.com/OWNER/lathe#readme. Set the real address.',
    "package.json: the galleries accept a version of three numbers, not 1.3.0-rc.",
    'CHANGELOG.md has no section "## 1.3.0-rc – <date>".',
  ]);
  expect(
    findReleaseFaults(published, changelog.replace("## Unreleased\n", "## Unreleased\n\n- Not yet.\n")),
  ).toEqual([
    'CHANGELOG.md: what is under "Unreleased" belongs to the section of 1.2.3, or to a later version.',
  ]);
});

test("the changelog has the form that the release expects", () => {
  const faults = findReleaseFaults({ ...published, version: "0.1.0" }, read("CHANGELOG.md"));
  expect(faults.filter((fault) => fault.includes("no section"))).toEqual([]);
});

test("the page of a package without a repository has no address that leads nowhere", () => {
  const page = createGalleryPage(root, manifest);
  expect(page).not.toMatch(/\]\(/);
  expect(page).not.toContain("\n\n\n");
  expect(page).toContain("the workbench");
});

test("a published page addresses the repository at the tag of its version", () => {
  const page = createGalleryPage(root, published);
  expect(page).toContain(
    "](https://raw.githubusercontent.com/someone/lathe/v1.2.3/media/gallery/notebook.png)",
  );
  expect(page).toContain("[the workbench](https://github.com/someone/lathe/blob/v1.2.3/docs/workbench.md)");
  expect(page).not.toMatch(/\]\((?!https:)/);
  expect(() =>
    createGalleryPage(root, { ...published, repository: { url: "https://example.org/x" } }),
  ).toThrow("need a repository on GitHub");
});

test("the page introduces Lathe before it explains how to start, and has no build instructions", () => {
  const page = read("docs/gallery.md");
  expect(page).not.toMatch(/npm |checkout|git clone/);
  expect(page.indexOf("workbench for shrinking")).toBeLessThan(page.indexOf("## Three steps"));
  const steps = page.slice(page.indexOf("## Three steps"), page.indexOf("## What it does"));
  expect(steps.match(/^\d\. /gm)).toHaveLength(3);
});

test("every picture and page that the package adds is shown somewhere", () => {
  const packed = read(".vscodeignore");
  const walkthrough = readdirSync(path.join(root, "media/walkthrough"));
  const texts = [
    read("package.json"),
    ...walkthrough.filter((file) => file.endsWith(".md")).map((file) => read(`media/walkthrough/${file}`)),
  ];
  expect(walkthrough.filter((file) => !texts.some((text) => text.includes(file)))).toEqual([]);
  // A page for users is packed, so that it can be opened without a network; a page for developers is not.
  const pages = readdirSync(path.join(root, "docs")).filter((file) => file.endsWith(".md"));
  const listed = /^!docs\/\{(?<names>.*)\}\.md$/m.exec(packed)!.groups!["names"]!.split(",");
  const forDevelopers = ["extending", "gallery", "structure", "style"];
  expect([...listed, ...forDevelopers].sort()).toEqual(pages.map((file) => file.replace(".md", "")).sort());
});
