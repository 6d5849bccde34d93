/** Reports for a window: made of the runs that it knows, and written only if it asks for it. */
import { dirname, join } from "node:path";
import type { Handlers } from "../../../protocol/connection";
import { WorkbenchError } from "../../../protocol/errors";
import type { ReportRequests } from "../../../protocol/service/reports";
import { getWorkspaceRunsFolder, isSamePath } from "../../runs/folder/runLocation";
import type { Service } from "../service";

export function createReportHandlers(service: Service): Handlers<ReportRequests> {
  return {
    "experiment.report": async ({ experiment, write = false }, { signal }) => {
      service.requireTrust("Creating a report");
      const runs = service.runs
        .summaries()
        .filter((run) => run.experiment !== undefined && isSamePath(run.experiment, experiment));
      if (runs.length === 0 && !service.experiments.some((file) => isSamePath(file, experiment)))
        throw new WorkbenchError("not-found", `${experiment} is not an experiment of this window.`);
      const [{ loadPlans }, { createExperimentReport }, pages, catalog] = await Promise.all([
        import("../../runs/planning/loadPlans"),
        import("../../report/experimentReport"),
        import("../../report/reportPages"),
        service.catalog(),
      ]);
      const plans = await loadPlans(experiment, { opened: service.folders }, catalog);
      const report = await createExperimentReport(
        plans,
        runs.map(({ folder }) => service.runs.find(folder).found),
        ["lathe", "report", plans.plans[0]?.experiment ?? experiment],
        signal,
      );
      const name = pages.nameReport([plans]);
      const folder = join(dirname(getWorkspaceRunsFolder(plans.workspace)), "reports");
      const { title, finished, planned } = report;
      return {
        title,
        name,
        html: pages.renderReport([report]),
        finished,
        planned,
        ...(write ? { file: pages.writeReportPages(folder, name, [report]).page } : {}),
      };
    },
  };
}
