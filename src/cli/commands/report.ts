/** `lathe report FILE`: the published numbers of an experiment's paper against those of its runs. Nothing is run. */
import { loadPlans } from "../../backend/runs/loadPlans";
import { WorkbenchError } from "../../protocol/errors";
import { defineCommand } from "../command";
import { paperReport } from "../paperReport";
import { type PlanOptions, planOptions } from "../planOptions";
import { runsOption, type RunsOption } from "../runSelection";

export default defineCommand<readonly [string], PlanOptions & RunsOption>({
  summary: "compare the runs of an experiment with what its paper has published",
  arguments: [["<file>", "experiment file with a paper cell"]],
  options: [...planOptions, runsOption],
  async run({ args: [file], options, terminal, catalog }) {
    const report = await paperReport(await loadPlans(file, options, catalog), terminal, options.out);
    if (report !== undefined) return report;
    throw new WorkbenchError(
      "invalid-input",
      `${file} has no paper to compare with. Add a paper cell with the published numbers.`,
    );
  },
});
