import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createContributions, createManifestFiles, loadDefinitions } from "../../scripts/manifest";
import { configuration } from "../../scripts/staticManifest";
import { pageCommands } from "../../src/protocol/page";

const root = fileURLToPath(new URL("../..", import.meta.url));
const definitions = await loadDefinitions(root);
const files = await createManifestFiles(root);
const texts = JSON.parse(files.get("package.nls.json")!) as Readonly<Record<string, string>>;
/** As VS Code reads it: with the texts in place of their keys. */
const manifest = JSON.parse(files.get("package.json")!, (_, value: unknown) =>
  typeof value === "string" ? (texts[/^%(.+)%$/.exec(value)?.[1] ?? ""] ?? value) : value,
) as Manifest;

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
    readonly configuration: {
      readonly properties: Readonly<Record<string, { readonly markdownDescription?: string }>>;
    };
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

test("the manifest and its texts are current; `npm run generate` writes them", () => {
  for (const [file, text] of files) {
    const written = JSON.parse(readFileSync(path.join(root, file), "utf8")) as unknown;
    expect(JSON.parse(text), file).toEqual(written);
  }
});

test("every text of the manifest can be translated, under a key that names its place", () => {
  const untranslated: string[] = [];
  const used = new Set<string>();
  const { categories: _, ...parts } = JSON.parse(files.get("package.json")!) as Record<string, unknown>;
  JSON.parse(JSON.stringify(parts), (_, value: unknown) => {
    if (typeof value !== "string") return value;
    const key = /^%(.+)%$/.exec(value)?.[1];
    if (key !== undefined) used.add(key);
    // What VS Code compares, resolves or executes does not begin as a sentence or a title does.
    else if (/^[A-Z]\S* \S/.test(value)) untranslated.push(value);
    return value;
  });
  expect(untranslated).toEqual([]);
  expect([...used].sort()).toEqual(Object.keys(texts).sort());
  expect(texts["commands.chooseDevice.title"]).toBe("Choose Device…");
  expect(texts["configuration.device.markdownDescription"]).toContain("*Devices*");
  expect(texts["walkthroughs.start.steps.open.title"]).toBe("Open a folder");
});

test("every setting has a description that links to a page of the documentation", () => {
  for (const { order, markdownDescription = "" } of Object.values(configuration.properties)) {
    const page = /\]\(command:lathe\.openDocumentation\?%5B%22([\w-]+)%22%5D\)$/.exec(
      markdownDescription,
    )?.[1];
    expect(existsSync(path.join(root, "docs", `${page ?? "none"}.md`)), `setting ${order}`).toBe(true);
  }
});

test("the extension runs where the folder is, and is not offered where there is no such machine", () => {
  expect(manifest).toMatchObject({
    extensionKind: ["workspace"],
    capabilities: { virtualWorkspaces: { supported: false } },
  });
  expect(manifest).not.toHaveProperty("browser");
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

test("every key binding has a `when` clause, so that none takes a key from the editor", () => {
  expect(keybindings.filter(({ when }) => when === undefined)).toEqual([]);
});

test("commands that train, change or export are disabled in an untrusted workspace", () => {
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

test("every setting links to a page that explains it and that is packed", () => {
  const properties = Object.values(manifest.contributes.configuration.properties);
  const pages = properties.map(({ markdownDescription = "" }) => {
    const argument = /\(command:lathe\.openDocumentation\?(?<argument>[^)]+)\)/.exec(
      markdownDescription,
    )?.groups;
    return (JSON.parse(decodeURIComponent(argument?.["argument"] ?? "[]")) as string[])[0];
  });
  expect(pages.filter((page) => page === undefined)).toEqual([]);
  expect(pages.filter((page) => !existsSync(path.join(root, `docs/${page}.md`)))).toEqual([]);
});

test("every file that the manifest names is there", () => {
  const named = [
    manifest.icon,
    ...viewsContainers.activitybar.map(({ icon }) => icon),
    ...walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.markdown)),
    ...Object.values(definitions.panels).flatMap(({ icon }) =>
      ["light", "dark"].map((theme) => `media/panels/${icon}-${theme}.svg`),
    ),
  ];
  expect(named.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
});

test("the editor shows an icon as a template image: one color, that of the theme", () => {
  const icon = readFileSync(path.join(root, viewsContainers.activitybar[0]!.icon), "utf8");
  expect(icon).toContain('stroke="currentColor"');
  expect(icon).not.toMatch(/#[0-9a-f]{3,}/i);
});
