/**
 * `npm run bench:workbench`: measures the workbench with many runs and a long history. Makes run folders in a temporary place
 * and prints times, processor and memory: of the backend service alone, of a real VS Code, and of a person's first minutes
 * with the packed extension. Nothing is asserted. `--runs 5000` and `--lines 1000000` set the amounts; `--only service`,
 * `--only window` or `--only first` selects a part.
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { getWorkspaceRunsFolder } from "../src/backend/runs/folder/runLocation";
import { printFigure } from "./workbench/figures";
import { createRuns } from "./workbench/createRuns";
import { printFirstFigures } from "./workbench/firstFigures";
import { printServiceFigures } from "./workbench/serviceFigures";
import { printWindowFigures } from "./workbench/windowFigures";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "5000" },
    lines: { type: "string", default: "1000000" },
    only: { type: "string" },
  },
});
const counts = { runs: Number(options.runs), lines: Number(options.lines) };

const includesPart = (part: "first" | "service" | "window") => (options.only ?? part) === part;

const workspace = realpathSync(mkdtempSync(join(tmpdir(), "lathe-bench-")));
try {
  console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown processor"}`);
  if (includesPart("first")) await printFirstFigures();
  if (includesPart("service") || includesPart("window")) {
    const startTime = performance.now();
    createRuns(getWorkspaceRunsFolder(workspace), counts);
    printFigure(`making ${counts.runs} runs`, `${((performance.now() - startTime) / 1000).toFixed(1)} s`);
  }
  if (includesPart("service")) await printServiceFigures(workspace, counts);
  if (includesPart("window")) await printWindowFigures(workspace, counts);
} finally {
  rmSync(workspace, { recursive: true, force: true });
}
