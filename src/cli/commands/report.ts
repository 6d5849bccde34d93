/** `lathe report FILE…`: what the finished runs of an experiment came to, against the numbers of its paper where it has one. */
import { loadPlans, type Plans } from "../../backend/runs/planning/loadPlans";
import { defineCommand } from "../command";
import { writeExperimentReport } from "../experimentReport";
import { type PlanOptions, planOptions } from "../planOptions";
import { runsOption, type RunsOption } from "../runSelection";

export default defineCommand<readonly [readonly string[]], PlanOptions & RunsOption>({
  summary: "report what the runs of an experiment came to, against its paper if it has one",
  arguments: [["<files...>", "experiment files; several make one page"]],
  options: [...planOptions, runsOption],
  async run({ args: [files], options, terminal, catalog }) {
    const experiments: Plans[] = [];
    for (const file of files) experiments.push(await loadPlans(file, options, catalog));
    return writeExperimentReport(experiments, terminal, options.out);
  },
});
