/** The table of all runs. It changes runs only through commands, which confirm and offer to undo. */
import { definePanel } from "./panel";

export default definePanel({
  title: "Runs",
  icon: "runs",
  requests: ["runs.list", "runs.annotate", "runs.differences"],
  events: ["runsChanged"],
});
