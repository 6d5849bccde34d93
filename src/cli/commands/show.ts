/** Shows a run: its record, state, results and loss. */
import { join } from "node:path";
import { readMetrics } from "../../backend/runs/metrics/metricsReader";
import { defineCommand } from "../command";
import { RunHistory } from "../runHistory";
import { type ReportedRun, runDocument, runReport, runsReport } from "../runReport";
import { runArgument, runsOption, selectRun, type RunsOption } from "../runSelection";

export default defineCommand<[runs: readonly string[]], RunsOption>({
  summary: "show a run (record, summary, loss), or several side by side",
  arguments: [["<run...>", runArgument[1]]],
  options: [runsOption],
  async run({ args: [texts], options, terminal }) {
    const shown: (ReportedRun & { readonly document: object })[] = [];
    for (const text of texts) {
      const { folder, record } = await selectRun(text, options);
      const { lines, bad } = await readMetrics(join(folder, "metrics.jsonl"));
      if (bad > 0) terminal.say(`Skipped ${bad} unreadable lines of metrics.jsonl.`);
      const history = new RunHistory();
      history.add(lines);
      const document = { ...runDocument({ folder, record }), metrics: { lines: lines.length, bad } };
      shown.push({ folder, record, history, document });
    }
    const only = shown.length === 1 ? shown[0] : undefined;
    return only === undefined
      ? { document: { runs: shown.map(({ document }) => document) }, text: runsReport(shown, terminal) }
      : { document: only.document, text: runReport(only, terminal) };
  },
});
