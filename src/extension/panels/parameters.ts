/** The five numbers of one or more models, by role. */
import { definePanel } from "./panel";

export default definePanel({
  title: "Parameters",
  icon: "parameters",
  requests: ["experiments.list", "runs.list", "models.list", "sizes.of"],
  events: ["runsChanged"],
});
