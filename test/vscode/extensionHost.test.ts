/**
 * The extension inside a real extension host: runs the suites of `host/` and reports each of their tests as one here.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { type HostResult, resultsVariable } from "./host/run";
import { bundleHostSuites } from "./support/hostSuites";
import { installVscode, type Version } from "./support/installVscode";
import { installPythonExtension } from "./support/pythonExtension";
import { startServer } from "./support/server";
import { versionsUnderTest } from "./support/study";
import { launchBrowser, noWindow, Window } from "./support/window";

const reason = noWindow();

for (const version of versionsUnderTest)
  describe(`inside the extension host of VS Code ${version.vscode}`, async () => {
    if (reason !== undefined) {
      test("every suite", ({ skip }) => skip(reason));
      return;
    }
    const { status, results } = await runSuites(version);
    for (const { title, failure, skipped } of results)
      test(title, () => {
        expect(skipped).toBe(false);
        if (failure !== undefined) throw new Error(failure);
      });
    test("the suites run to their end", () => {
      expect(results.length).toBeGreaterThan(0);
      expect(status, "no end within eight minutes").toBe(
        results.some(({ failure }) => failure !== undefined) ? 1 : 0,
      );
    });
  });

async function runSuites(
  version: Version,
): Promise<{ status: number | undefined; results: readonly HostResult[] }> {
  const vscode = await installVscode(version);
  const tests = await bundleHostSuites();
  const scratch = mkdtempSync(join(tmpdir(), "lathe-suites-"));
  const folder = join(scratch, "workspace");
  mkdirSync(folder);
  cpSync("examples", join(folder, "examples"), { recursive: true });
  const resultsFile = join(scratch, "results.json");
  const server = await startServer(vscode, {
    driver: true,
    writeExtensions: installPythonExtension,
    environment: {
      [resultsVariable]: resultsFile,
      LATHE_STATE_DIR: join(scratch, "state"),
      ORT_DISABLE_TELEMETRY: "1",
    },
  });
  const browser = await launchBrowser(server.home);
  try {
    const context = await browser.newContext();
    const { status, said } = await Window.runTests(
      context,
      server,
      { folder, extension: resolve("."), tests },
      480_000,
    );
    if (!existsSync(resultsFile))
      throw new Error(
        `No suite ran. Output of the workbench: ${said.join("\n")}\nServer log: ${readFileSync(server.logFile, "utf8").slice(-3000)}`,
      );
    return { status, results: JSON.parse(readFileSync(resultsFile, "utf8")) as HostResult[] };
  } finally {
    await browser.close();
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}
