/** The state before any user action, and the cost of activating the extension. */
import { strict as assert } from "node:assert";
import { statSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { eventually, workspaceFolder } from "./workspace";

const extension = vscode.extensions.getExtension("lathe.lathe")!;

interface Manifest {
  readonly contributes: {
    readonly commands: readonly { readonly command: string; readonly category: string }[];
    readonly views: Readonly<Record<string, readonly { readonly id: string }[]>>;
  };
}
const manifest = extension.packageJSON as Manifest;

describe("the extension", () => {
  it("activates without ONNX Runtime, and registers every command of its manifest", async () => {
    const began = performance.now();
    await extension.activate();
    const milliseconds = performance.now() - began;
    const { size } = statSync(join(extension.extensionPath, "dist/extension.cjs"));
    console.log(
      `activation took ${milliseconds.toFixed(0)} ms, the bundle has ${(size / 1000).toFixed(0)} kB`,
    );
    const loaded = Object.keys(require.cache).filter((path) => path.includes("onnxruntime"));
    assert.deepEqual(loaded, []);
    const registered = new Set(await vscode.commands.getCommands(true));
    const missing = manifest.contributes.commands.filter(({ command }) => !registered.has(command));
    assert.deepEqual(missing, []);
    assert.deepEqual(
      manifest.contributes.commands.filter(({ category }) => category !== "Lathe"),
      [],
    );
  });

  it("shows each of its trees", async () => {
    for (const { id } of Object.values(manifest.contributes.views).flat())
      await vscode.commands.executeCommand(`${id}.focus`);
  });

  const experiment = vscode.Uri.file(join(workspaceFolder, "examples/quick.lathe.md"));
  for (const [panel, ...args] of [
    ["runs"],
    ["charts"],
    ["shrink"],
    ["parameters", experiment],
    ["report", experiment],
  ] as const)
    it(`opens the panel ${panel}, once`, async () => {
      const title = panel.slice(0, 1).toUpperCase() + panel.slice(1);
      await vscode.commands.executeCommand(`lathe.open${title}`, ...args);
      await vscode.commands.executeCommand(`lathe.open${title}`, ...args);
      const tabs = await eventually("the tab", () => {
        const found = vscode.window.tabGroups.all
          .flatMap((group) => group.tabs)
          .filter(({ input }) => input instanceof vscode.TabInputWebview && input.viewType.includes(panel));
        return found.length > 0 ? found : undefined;
      });
      assert.equal(tabs.length, 1);
      await vscode.window.tabGroups.close(tabs);
    });
});
