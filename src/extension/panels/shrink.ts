/** Measures of the runs of an experiment against how much smaller their models are. */
import { definePanel } from "./panel";

export default definePanel<"shrink">({
  title: "Shrink",
  icon: "shrink",
  requests: ["runs.list", "runs.results"],
  events: ["runsChanged"],
});
