/** Curves of many runs and metrics. */
import { definePanel } from "./panel";

export default definePanel({
  title: "Charts",
  icon: "charts",
  requests: ["runs.list", "runs.differences", "runs.annotate", "metrics.series", "metrics.watch"],
  events: ["runsChanged", "metricsAppended"],
});
