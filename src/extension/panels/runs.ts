/** The table of all runs. What it does to them it says as commands, which ask and offer to undo. */
import { definePanel } from "./panel";

export default definePanel({
  title: "Runs",
  icon: "runs",
  requests: ["runs.list", "runs.annotate", "runs.differences"],
  events: ["runsChanged"],
});
