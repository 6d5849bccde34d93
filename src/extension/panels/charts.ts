/** Curves of many runs and metrics. */
import { definePanel } from "./panel";

export default definePanel({
  title: "Charts",
  icon: "charts",
  requests: ["runs.list", "metrics.series", "metrics.watch"],
  events: ["runsChanged", "metricsAppended"],
});
