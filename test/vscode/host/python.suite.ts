/** The Python interpreter that the window names for devices of PyTorch; the interpreters are real processes. */
import { strict as assert } from "node:assert";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as vscode from "vscode";
import { selectedPython } from "../support/pythonExtension";
import { eventually, workspaceFolder } from "./workspace";

const selected = join(workspaceFolder, selectedPython);
const configured = join(workspaceFolder, "configured/bin/python");

/** A program that leaves a mark next to itself. */
function writeInterpreter(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\ntouch "${path}.asked"\nexit 1\n`);
  chmodSync(path, 0o755);
}

async function isAsked(path: string): Promise<boolean> {
  for (const each of [selected, configured]) rmSync(`${each}.asked`, { force: true });
  await vscode.commands.executeCommand("lathe.refreshDevices");
  return existsSync(`${path}.asked`);
}

describe("the Python interpreter", () => {
  before(() => {
    for (const path of [selected, configured]) writeInterpreter(path);
  });
  after(async () => {
    await vscode.workspace.getConfiguration("lathe").update("pythonPath", undefined, false);
  });

  it("is the one that is selected in the Python extension, which is started when devices are asked for", async () => {
    await eventually("the interpreter", async () => ((await isAsked(selected)) ? true : undefined));
    assert.equal(vscode.extensions.getExtension("ms-python.python")?.isActive, true);
    assert.equal(existsSync(`${configured}.asked`), false);
  });

  it("is that of the setting, also if its path begins at the opened folder", async () => {
    const settings = vscode.workspace.getConfiguration("lathe");
    await settings.update("pythonPath", "configured/bin/python", false);
    await eventually("the interpreter", async () => ((await isAsked(configured)) ? true : undefined));
    assert.equal(existsSync(`${selected}.asked`), false);
  });
});
