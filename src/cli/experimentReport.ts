/** The report of experiments in a terminal, from the runs that are there, and as pages beside the runs. */
import { dirname, join, resolve } from "node:path";
import { createExperimentReport, type ExperimentReport } from "../backend/report/experimentReport";
import { nameReport, writeReportPages } from "../backend/report/reportPages";
import { listRuns } from "../backend/runs/folder/findRuns";
import { getWorkspaceRunsFolder } from "../backend/runs/folder/runLocation";
import type { Plans } from "../backend/runs/planning/loadPlans";
import type { Block } from "../protocol/blocks";
import type { Outcome } from "./command";
import { formatTable } from "./table";
import { toPlainText, toPlainLine, type Terminal } from "./terminal";
import { wrapText } from "./textWidth";

/** Of at least one experiment. `out` is the folder of the runs, where it is not the usual one. */
export async function writeExperimentReport(
  experiments: readonly Plans[],
  terminal: Terminal,
  out?: string,
): Promise<Outcome> {
  const getRunsFolder = (workspace: string) =>
    out === undefined ? getWorkspaceRunsFolder(workspace) : resolve(out);
  const command = ["lathe", ...process.argv.slice(2)];
  const reports: ExperimentReport[] = [];
  for (const plans of experiments) {
    const runs = await listRuns(getRunsFolder(plans.workspace));
    reports.push(await createExperimentReport(plans, runs, command, new AbortController().signal));
  }
  // Beside the runs: `.lathe/reports`, or in the folder that was named for the runs.
  const runsFolder = getRunsFolder(experiments[0]!.workspace);
  const folder = join(out === undefined ? dirname(runsFolder) : runsFolder, "reports");
  const written = writeReportPages(folder, nameReport(experiments), reports);
  const documents = reports.map(({ document }) => document);
  const text = reports.flatMap(({ title, note, blocks }) => [
    wrapText(toPlainLine(title), terminal.textWidth),
    ...blocks.map((block) => formatBlock(block, terminal)),
    wrapText(toPlainLine(note), terminal.textWidth),
  ]);
  return {
    document: { ...(documents.length === 1 ? documents[0] : { cards: documents }), ...written },
    text: [...text, `${written.report}\n${written.page}`].join("\n\n"),
  };
}

function formatBlock(block: Block, terminal: Terminal): string {
  if (block.kind === "text") return wrapText(toPlainText(block.text), terminal.textWidth);
  if (block.kind !== "table") return "";
  const rows = block.rows.map((row) => row.map((cell) => toPlainLine(String(cell ?? "–"))));
  const title = wrapText(toPlainLine(block.title ?? ""), terminal.textWidth);
  return [terminal.colors.bold(title), formatTable(block.columns, rows, terminal)].join("\n");
}
