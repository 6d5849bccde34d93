/** Curves of many runs and metrics. */
import { viewRequests } from "../../protocol/service/views";
import { definePanel } from "./panel";
import { t } from "../l10n";

export default definePanel<"charts">({
  title: t("Charts"),
  icon: "charts",
  requests: ["runs.list", "runs.differences", "metrics.series", "metrics.watch", ...viewRequests],
  events: ["runsChanged", "metricsAppended", "viewsChanged"],
  /** A history of a million lines takes the service a second to read; it keeps what it has read. */
  prepare: async (backend, { runs }) =>
    backend.request("metrics.series", {
      queries: runs.map((run) => ({ run, metric: "train/loss", axis: "step", points: 8 })),
    }),
});
