/**
 * `npm run test:electron`: runs the suites of `host/` in the desktop VS Code, which it downloads.
 * LATHE_VSCODE=lowest selects the lowest version that the manifest allows.
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runTests } from "@vscode/test-electron";
import { bundleHostSuites } from "./support/hostSuites";
import { versions } from "./support/installVscode";

const folder = mkdtempSync(join(tmpdir(), "lathe-electron-"));
cpSync("examples", join(folder, "examples"), { recursive: true });
try {
  await runTests({
    version: process.env["LATHE_VSCODE"] === "lowest" ? versions.lowest.vscode : "stable",
    extensionDevelopmentPath: resolve("."),
    extensionTestsPath: await bundleHostSuites(),
    launchArgs: [folder, "--disable-extensions", "--disable-workspace-trust"],
    extensionTestsEnv: { ORT_DISABLE_TELEMETRY: "1", LATHE_STATE_DIR: join(folder, "state") },
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
