/** A Vitest reporter that writes down what was counted, and why tests were skipped, for `check.ts` to close with. */
import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly { readonly test: string; readonly reason: string }[];
}

/** Where the tally is written; the reporter is silent without it. */
export const tallyVariable = "LATHE_TALLY";

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const path = process.env[tallyVariable];
    if (path === undefined) return;
    let passed = 0;
    let failed = 0;
    const skipped: { test: string; reason: string }[] = [];
    for (const module of modules) {
      const failedBefore = failed;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed") passed++;
        else if (result.state === "failed") failed++;
        else {
          const reason = result.state === "skipped" ? result.note : "it never ran";
          skipped.push({ test: `${module.relativeModuleId} > ${test.fullName}`, reason: reason ?? "" });
        }
      }
      // A file that cannot be loaded, or whose set-up fails, has no failed test of its own to count.
      if (!module.ok() && failed === failedBefore) failed++;
    }
    writeFileSync(path, JSON.stringify({ passed, failed, skipped } satisfies Tally));
  }
}
