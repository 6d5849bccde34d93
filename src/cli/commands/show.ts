/** Shows a run: what it is, how it stands, what it measured, and its loss. */
import { join } from "node:path";
import { readMetrics } from "../../backend/runs/metricsReader";
import { defineCommand } from "../command";
import { RunHistory } from "../runHistory";
import { runDocument, runReport } from "../runReport";
import { runArgument, runsOption, selectRun, type RunsOption } from "../runSelection";

export default defineCommand<[run: string], RunsOption>({
  summary: "show a run: record, summary, loss",
  arguments: [runArgument],
  options: [runsOption],
  async run({ args: [text], options, terminal }) {
    const { folder, record } = await selectRun(text, options);
    const { lines, bad } = await readMetrics(join(folder, "metrics.jsonl"));
    if (bad > 0) terminal.say(`metrics.jsonl has ${bad} lines that can't be read; they are left out.`);
    const history = new RunHistory();
    history.add(lines);
    return {
      document: { ...runDocument({ folder, record }), metrics: { lines: lines.length, bad } },
      text: runReport({ folder, record, history }, terminal),
    };
  },
});
