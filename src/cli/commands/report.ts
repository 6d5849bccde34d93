/** `lathe report FILE…`: the published numbers of an experiment's paper against those of its runs. Nothing is run. */
import { loadPlans, type Plans } from "../../backend/runs/planning/loadPlans";
import { findPaper } from "../../backend/runs/planning/siblings";
import { WorkbenchError } from "../../protocol/errors";
import { defineCommand } from "../command";
import { writePaperReport } from "../paperReport";
import { type PlanOptions, planOptions } from "../planOptions";
import { runsOption, type RunsOption } from "../runSelection";

export default defineCommand<readonly [readonly string[]], PlanOptions & RunsOption>({
  summary: "compare the runs of an experiment with the published numbers of its paper",
  arguments: [["<files...>", "experiment files with a paper cell; several make one page"]],
  options: [...planOptions, runsOption],
  async run({ args: [files], options, terminal, catalog }) {
    const experiments: Plans[] = [];
    for (const file of files) {
      const plans = await loadPlans(file, options, catalog);
      if (findPaper(plans.plans) === undefined)
        throw new WorkbenchError(
          "invalid-input",
          `${file} has no paper cell to compare with. Add one with the published numbers.`,
        );
      experiments.push(plans);
    }
    return (await writePaperReport(experiments, terminal, options.out))!;
  },
});
