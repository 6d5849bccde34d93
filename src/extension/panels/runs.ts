/** The table of all runs. */
import { definePanel } from "./panel";

export default definePanel({
  title: "Runs",
  icon: "runs",
  requests: [
    "runs.list",
    "runs.stop",
    "runs.resume",
    "runs.pause",
    "runs.continue",
    "runs.requeue",
    "runs.annotate",
    "runs.trash",
    "runs.restore",
    "runs.differences",
    "runs.results",
    "runs.log",
    "metrics.series",
    "metrics.watch",
    "sizes.of",
  ],
  events: ["runsChanged", "metricsAppended"],
});
