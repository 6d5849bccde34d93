/** Runs the suites of this folder inside VS Code's extension host, and saves the result of each test. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type Mocha from "mocha";

export interface HostResult {
  readonly title: string;
  readonly milliseconds: number;
  /** Undefined if it passed. */
  readonly failure?: string;
  readonly skipped: boolean;
}

/** Names the file for the results; the same entry serves `@vscode/test-electron`, which does not need it. */
export const resultsVariable = "LATHE_HOST_RESULTS";

export async function run(): Promise<void> {
  // Mocha is an ES module. What `require` makes of one differs between the Nodes of older and newer VS Codes.
  const { default: Runner } = await import("mocha");
  const mocha = new Runner({ ui: "bdd", timeout: 180_000, color: false });
  for (const file of readdirSync(__dirname))
    if (file.endsWith(".suite.cjs")) mocha.addFile(join(__dirname, file));
  const results: HostResult[] = [];
  return new Promise((resolve, reject) => {
    const runner = mocha.run((failures) => {
      if (failures === 0) resolve();
      else reject(new Error(`${failures} tests failed in the extension host.`));
    });
    const path = process.env[resultsVariable];
    const note = (test: Mocha.Test | Mocha.Hook, rest: Pick<HostResult, "failure" | "skipped">) => {
      results.push({ title: test.fullTitle(), milliseconds: test.duration ?? 0, ...rest });
      // After each test, so that a hanging test does not hide earlier results.
      if (path !== undefined) writeFileSync(path, JSON.stringify(results));
    };
    runner.on("pass", (test) => note(test, { skipped: false }));
    runner.on("pending", (test) => note(test, { skipped: true }));
    runner.on("fail", (test, thrown: unknown) => {
      const failure = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      note(test, { failure, skipped: false });
    });
  });
}
