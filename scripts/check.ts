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
const typescript = "node_modules/typescript/bin/tsc";
/** Lists of stages that run in order, and beside the other lists of their step. Each step waits for the one before it. */
const steps: readonly (readonly (readonly Stage[])[])[] = [
  [[{ name: "generated files are current", command: [tsx, "scripts/generate.ts", "--check"] }]],
  // The linter takes about as long as the others together, and each of them uses one core.
  [
    [{ name: "lint", command: ["node_modules/eslint/bin/eslint.js", "."] }],
    [
      { name: "types", command: [typescript, "--noEmit"] },
      { name: "types of the pages", command: [typescript, "--noEmit", "-p", "webview"] },
      { name: "lint of Python", command: [tsx, "scripts/lintPython.ts"] },
      {
        name: "format",
        command: ["node_modules/prettier/bin/prettier.cjs", "--check", "--log-level=warn", "."],
      },
      { name: "build", command: [tsx, "scripts/build.ts"] },
    ],
  ],
  [[createTestStage("tests", "node")]],
  [[createTestStage("tests in VS Code", "vscode")]],
];

function createTestStage(name: string, project: string): Stage {
  const reporters = ["--reporter=default", "--reporter=./scripts/tally.ts"];
  return { name, command: ["node_modules/vitest/vitest.mjs", "run", "--project", project, ...reporters] };
}

const scratch = mkdtempSync(join(tmpdir(), "lathe-check-"));
const getTallyPath = ({ name }: Stage) => join(scratch, `${name}.json`);

/** Shows the output of a stage as it comes, or all of it at its end where others run beside it. */
function run(stage: Stage, isAlone: boolean): Promise<boolean> {
  const title = `\n── ${stage.name} ──`;
  if (isAlone) console.log(title);
  const output = isAlone ? "inherit" : "pipe";
  const child = spawn(process.execPath, stage.command, {
    cwd: root,
    stdio: ["ignore", output, output],
    env: { ...process.env, [tallyVariable]: getTallyPath(stage) },
  });
  const parts: Buffer[] = [];
  child.stdout?.on("data", (part: Buffer) => parts.push(part));
  child.stderr?.on("data", (part: Buffer) => parts.push(part));
  return new Promise((resolve) => {
    const end = (passed: boolean) => {
      if (!isAlone) console.log(`${title}\n${Buffer.concat(parts).toString()}`.trimEnd());
      resolve(passed);
    };
    child.on("error", () => end(false));
    child.on("close", (status) => end(status === 0));
  });
}

const formatSeconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`.padStart(8);
const summary: string[] = [];
let failure: string | undefined;
const startTime = performance.now();
for (const lists of steps) {
  await Promise.all(
    lists.map(async (list) => {
      for (const stage of list) {
        const stageStart = performance.now();
        const passed = await run(stage, lists.length === 1);
        summary.push(
          `${formatSeconds(performance.now() - stageStart)}  ${passed ? "passed" : "FAILED"}  ${stage.name}`,
        );
        if (passed) continue;
        failure ??= stage.name;
        break;
      }
    }),
  );
  if (failure !== undefined) break;
}

const tallies = steps
  .flat(2)
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
