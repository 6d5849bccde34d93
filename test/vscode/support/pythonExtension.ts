/** An extension in the role of the Python extension: with its id and the part of its public API that Lathe uses. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The interpreter that is selected in it, in the opened folder. */
export const selectedPython = "selected/bin/python";

const manifest = {
  name: "python",
  publisher: "ms-python",
  version: "1.0.0",
  engines: { vscode: "^1.99.0" },
  main: "./main.js",
  activationEvents: ["onCommand:python.select"],
};

const program = `
const { join } = require("node:path");
const vscode = require("vscode");
exports.activate = () => ({
  environments: {
    getActiveEnvironmentPath: (resource) => ({ id: "selected", path: vscode.workspace.getWorkspaceFolder(resource).uri.fsPath }),
    resolveEnvironment: async ({ path }) => ({ executable: { uri: vscode.Uri.file(join(path, "${selectedPython}")) } }),
  },
});
`;

/** Installs it for a server that has not started yet. */
export function installPythonExtension(extensions: string): void {
  const folder = join(extensions, "ms-python.python-1.0.0");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "main.js"), program);
}
