/** Shows a run: its record, state, results and loss. */
import { join } from "node:path";
import { readMetrics } from "../../backend/runs/metrics/metricsReader";
import { defineCommand } from "../command";
import { RunHistory } from "../runHistory";
import { type ReportedRun, createRunDocument, formatRunReport, formatRunsReport } from "../runReport";
import { runArgument, runsOption, selectRun, type RunsOption } from "../runSelection";

export default defineCommand<[runs: readonly string[]], RunsOption>({
  summary: "show a run (record, summary, loss), or several side by side",
  arguments: [["<run...>", runArgument[1]]],
  options: [runsOption],
  async run({ args: [texts], options, terminal }) {
    const reports: (ReportedRun & { readonly document: object })[] = [];
    for (const text of texts) {
      const { folder, record } = await selectRun(text, options);
      const { lines, bad } = await readMetrics(join(folder, "metrics.jsonl"));
      if (bad > 0) terminal.log(`Skipped ${bad} unreadable lines of metrics.jsonl.`);
      const history = new RunHistory();
      history.add(lines);
      const document = { ...createRunDocument({ folder, record }), metrics: { lines: lines.length, bad } };
      reports.push({ folder, record, history, document });
    }
    const onlyReport = reports.length === 1 ? reports[0] : undefined;
    return onlyReport === undefined
      ? {
          document: { runs: reports.map(({ document }) => document) },
          text: formatRunsReport(reports, terminal),
        }
      : { document: onlyReport.document, text: formatRunReport(onlyReport, terminal) };
  },
});
