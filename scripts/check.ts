/**
 * `npm test`: everything that has to hold before a change is shared, in order, stopping at the first stage that fails.
 * The last line counts the tests: `N passed, N failed, N skipped`.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Tally, tallyVariable } from "./tally";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Stage {
  readonly name: string;
  /** A program inside the checkout and its arguments; run by this Node, so that no shell is needed anywhere. */
  readonly command: readonly [program: string, ...args: string[]];
}

const tsx = "node_modules/tsx/dist/cli.mjs";
const stages: readonly Stage[] = [
  { name: "generated files are current", command: [tsx, "scripts/generate.ts", "--check"] },
  { name: "types", command: ["node_modules/typescript/bin/tsc", "--noEmit"] },
  { name: "types of the pages", command: ["node_modules/typescript/bin/tsc", "--noEmit", "-p", "webview"] },
  { name: "lint", command: ["node_modules/eslint/bin/eslint.js", "."] },
  { name: "lint of Python", command: [tsx, "scripts/lintPython.ts"] },
  { name: "format", command: ["node_modules/prettier/bin/prettier.cjs", "--check", "--log-level=warn", "."] },
  { name: "build", command: [tsx, "scripts/build.ts"] },
  createTestStage("tests", "node"),
  createTestStage("tests in VS Code", "vscode"),
];

function createTestStage(name: string, project: string): Stage {
  const reporters = ["--reporter=default", "--reporter=./scripts/tally.ts"];
  return { name, command: ["node_modules/vitest/vitest.mjs", "run", "--project", project, ...reporters] };
}

const scratch = mkdtempSync(join(tmpdir(), "lathe-check-"));
const getTallyPath = ({ name }: Stage) => join(scratch, `${name}.json`);

function run(stage: Stage): Promise<boolean> {
  const { command } = stage;
  const child = spawn(process.execPath, command, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, [tallyVariable]: getTallyPath(stage) },
  });
  return new Promise((resolve) => {
    child.on("error", () => resolve(false));
    child.on("exit", (status) => resolve(status === 0));
  });
}

const formatSeconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`.padStart(8);
const summary: string[] = [];
let failure: string | undefined;
const startTime = performance.now();
for (const stage of stages) {
  console.log(`\n── ${stage.name} ──`);
  const stageStart = performance.now();
  const passed = await run(stage);
  summary.push(
    `${formatSeconds(performance.now() - stageStart)}  ${passed ? "passed" : "FAILED"}  ${stage.name}`,
  );
  if (!passed) {
    failure = stage.name;
    break;
  }
}

const tallies = stages
  .map(getTallyPath)
  .filter((path) => existsSync(path))
  .map((path) => JSON.parse(readFileSync(path, "utf8")) as Tally);
const tally: Tally = {
  passed: tallies.reduce((sum, { passed }) => sum + passed, 0),
  failed: tallies.reduce((sum, { failed }) => sum + failed, 0),
  skipped: tallies.flatMap(({ skipped }) => skipped),
};
rmSync(scratch, { recursive: true });

if (tally.skipped.length > 0) console.log("\nSkipped, with the reason:");
for (const { test, reason } of tally.skipped) console.log(`  ${test}: ${reason || "no reason was given"}`);
console.log(`\n${summary.join("\n")}\n${formatSeconds(performance.now() - startTime)}  in all`);
if (failure !== undefined) console.log(`\nStopped at "${failure}", which failed.`);
process.exitCode = failure === undefined ? 0 : 1;
console.log(`\n${tally.passed} passed, ${tally.failed} failed, ${tally.skipped.length} skipped`);
