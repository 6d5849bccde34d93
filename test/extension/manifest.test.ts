import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createContributions, loadDefinitions, createManifestText } from "../../scripts/manifest";
import { pageCommands } from "../../src/protocol/page";

const root = fileURLToPath(new URL("../..", import.meta.url));
const definitions = await loadDefinitions(root);
const manifest = JSON.parse(await createManifestText(root)) as Manifest;

interface Manifest {
  readonly main: string;
  readonly icon: string;
  readonly activationEvents: readonly string[];
  readonly contributes: {
    readonly commands: readonly {
      readonly command: string;
      readonly title: string;
      readonly icon?: string;
    }[];
    readonly menus: Readonly<Record<string, readonly { readonly command: string; readonly when?: string }[]>>;
    readonly keybindings: readonly { readonly command: string; readonly when?: string }[];
    readonly views: { readonly lathe: readonly { readonly id: string }[] };
    readonly viewsContainers: { readonly activitybar: readonly { readonly icon: string }[] };
    readonly viewsWelcome: readonly { readonly view: string; readonly contents: string }[];
    readonly walkthroughs: readonly {
      readonly id: string;
      readonly steps: readonly {
        readonly description: string;
        readonly media: { readonly markdown: string };
        readonly completionEvents: readonly string[];
      }[];
    }[];
  };
}
const { commands, menus, keybindings, walkthroughs, views, viewsWelcome, viewsContainers } =
  manifest.contributes;
const ids = new Set(commands.map(({ command }) => command));

test("the manifest is current; `npm run generate` writes it", () => {
  const written = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as unknown;
  expect(manifest).toEqual(written);
});

test("definitions load without an editor, and every one of them is in the manifest", () => {
  expect(commands.map(({ command }) => command)).toEqual(
    Object.keys(definitions.commands).map((id) => `lathe.${id}`),
  );
  expect(views.lathe.map(({ id }) => id).sort()).toEqual(
    Object.keys(definitions.views)
      .map((id) => `lathe.${id}`)
      .sort(),
  );
  expect(manifest.activationEvents).toEqual(
    Object.keys(definitions.panels).map((id) => `onWebviewPanel:lathe.${id}Panel`),
  );
});

test("menus, keys, the walkthrough, pages and views name only commands that exist", () => {
  const named = [
    ...Object.values(menus).flatMap((entries) => entries.map(({ command }) => command)),
    ...keybindings.map(({ command }) => command),
    ...pageCommands,
    ...walkthroughs.flatMap(({ steps }) =>
      steps.flatMap(({ description, completionEvents }) =>
        [
          ...description.matchAll(/command:(lathe\.\w+)/g),
          ...completionEvents.join(" ").matchAll(/onCommand:(lathe\.\w+)/g),
        ].map((match) => match[1]!),
      ),
    ),
    ...viewsWelcome.flatMap(({ contents }) =>
      [...contents.matchAll(/command:(lathe\.\w+)/g)].map((match) => match[1]!),
    ),
  ];
  expect(named.filter((command) => !ids.has(command))).toEqual([]);
});

test("every key binding says where it holds, so that none takes a key from the editor", () => {
  expect(keybindings.filter(({ when }) => when === undefined)).toEqual([]);
});

test("whatever trains, changes or exports is off where the workspace is not trusted", () => {
  const { commands: written } = createContributions(definitions) as {
    commands: readonly { command: string; enablement?: string }[];
  };
  const off = written
    .filter(({ enablement }) => enablement?.includes("isWorkspaceTrusted"))
    .map(({ command }) => command);
  expect(off).toEqual(
    expect.arrayContaining([
      "lathe.deleteRuns",
      "lathe.exportModel",
      "lathe.resumeRun",
      "lathe.runCellAndAbove",
      "lathe.runExperiment",
    ]),
  );
});

test("every file that the manifest names is there", () => {
  const files = [
    manifest.icon,
    ...viewsContainers.activitybar.map(({ icon }) => icon),
    ...walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.markdown)),
    ...Object.values(definitions.panels).flatMap(({ icon }) =>
      ["light", "dark"].map((theme) => `media/panels/${icon}-${theme}.svg`),
    ),
  ];
  expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
});

test("the editor shows an icon as a template image: one colour, the theme's", () => {
  const icon = readFileSync(path.join(root, viewsContainers.activitybar[0]!.icon), "utf8");
  expect(icon).toContain('stroke="currentColor"');
  expect(icon).not.toMatch(/#[0-9a-f]{3,}/i);
});
