/**
 * The generated parts of package.json, from the definitions of commands, views and panels, and package.nls.json with their
 * texts. The definitions are loaded unchanged, with an inert `vscode` module: a definition must not need an editor.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { compileFunction } from "node:vm";
import { build } from "esbuild";
import type { Command } from "../src/extension/command";
import type { Panel } from "../src/extension/panels/panel";
import type { View } from "../src/extension/view";
import { extractTexts } from "./manifestTexts";
import { about, configuration, container, notebookRenderer, notebooks, walkthroughs } from "./staticManifest";

export interface Definitions {
  readonly commands: Readonly<Record<string, Command>>;
  readonly views: Readonly<Record<string, View>>;
  readonly panels: Readonly<Record<string, Panel>>;
}

/** The order of the trees in the side panel; others are last. */
const viewOrder = ["experiments", "runs", "models", "devices"];

export async function loadDefinitions(root: string): Promise<Definitions> {
  const catalogs = ["commands", "views", "panels"];
  const { outputFiles } = await build({
    stdin: {
      contents: catalogs
        .map((name) => `export { ${name} } from "./src/extension/${name}/catalog";`)
        .join("\n"),
      resolveDir: root,
    },
    bundle: true,
    write: false,
    platform: "node",
    format: "cjs",
    logLevel: "error",
    plugins: [
      {
        name: "no editor",
        setup(bundler) {
          bundler.onResolve({ filter: /^vscode$/ }, () => ({ path: "vscode", namespace: "inert" }));
          bundler.onLoad({ filter: /.*/, namespace: "inert" }, () => ({ contents: inertModule }));
        },
      },
    ],
  });
  const module = { exports: {} as Definitions };
  const evaluate = compileFunction(outputFiles[0]!.text, ["module", "exports", "require"]) as (
    ...args: unknown[]
  ) => void;
  evaluate(module, module.exports, createRequire(path.join(root, "package.json")));
  return module.exports;
}

/** Every property, call and instance of it is the object itself. */
const inertModule = `
const nothing = new Proxy(function () {}, {
  get: (_, key) => (key === Symbol.toPrimitive ? () => "" : nothing),
  getPrototypeOf: () => nothing,
  apply: () => nothing,
  construct: () => nothing,
});
module.exports = nothing;`;

/** package.json with its generated parts up to date, and package.nls.json. */
export async function createManifestFiles(root: string): Promise<ReadonlyMap<string, string>> {
  const current = JSON.parse(await readFile(path.join(root, "package.json"), "utf8")) as Record<
    string,
    unknown
  >;
  const definitions = await loadDefinitions(root);
  const { manifest, texts } = extractTexts({ ...about, contributes: createContributions(definitions) });
  const generated = { ...manifest, activationEvents: createActivationEvents(definitions) };
  return new Map([
    ["package.json", `${JSON.stringify({ ...current, ...generated }, null, 2)}\n`],
    ["package.nls.json", `${JSON.stringify(texts, null, 2)}\n`],
  ]);
}

/** Views, commands, the notebook and the walkthrough activate the extension by themselves; a restored panel does not. */
function createActivationEvents({ panels }: Definitions): string[] {
  return Object.keys(panels).map((id) => `onWebviewPanel:lathe.${id}Panel`);
}

export function createContributions({ commands, views }: Definitions): Record<string, unknown> {
  const sortedViews = Object.entries(views).sort(
    ([a], [b]) => (viewOrder.indexOf(a) + 1 || 99) - (viewOrder.indexOf(b) + 1 || 99),
  );
  return {
    commands: Object.entries(commands).map(([id, { title, icon, enablement }]) => ({
      command: `lathe.${id}`,
      category: "Lathe",
      title,
      ...(icon === undefined ? {} : { icon }),
      ...(enablement === undefined ? {} : { enablement }),
    })),
    menus: createMenus(commands),
    keybindings: Object.entries(commands).flatMap(([id, { keybinding }]) =>
      keybinding === undefined ? [] : [{ command: `lathe.${id}`, ...keybinding }],
    ),
    viewsContainers: { activitybar: [container] },
    views: {
      [container.id]: sortedViews.map(([id, { title, collapsed, size }]) => ({
        id: `lathe.${id}`,
        name: title,
        contextualTitle: "Lathe",
        icon: container.icon,
        ...(collapsed === true ? { visibility: "collapsed" } : {}),
        initialSize: size,
      })),
    },
    viewsWelcome: sortedViews.flatMap(([id, { welcome }]) =>
      welcome.map(({ when, text }) => ({
        view: `lathe.${id}`,
        contents: text,
        ...(when === undefined ? {} : { when }),
      })),
    ),
    notebooks,
    notebookRenderer,
    configuration,
    walkthroughs,
  };
}

function createMenus(commands: Definitions["commands"]): Record<string, unknown> {
  const menusById: Record<string, unknown[]> = { commandPalette: [] };
  for (const [id, { palette, menus: entries = [] }] of Object.entries(commands)) {
    const command = `lathe.${id}`;
    if (palette !== undefined)
      menusById["commandPalette"]!.push({ command, when: palette === false ? "false" : palette });
    for (const { menu, ...rest } of entries) (menusById[menu] ??= []).push({ command, ...rest });
  }
  return Object.fromEntries(Object.entries(menusById).filter(([, entries]) => entries.length > 0));
}
