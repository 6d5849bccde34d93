/** The table of all runs. It changes runs only through commands, which confirm and offer to undo. */
import { viewRequests } from "../../protocol/service/views";
import { definePanel } from "./panel";
import { t } from "../l10n";

export default definePanel({
  title: t("Runs"),
  icon: "runs",
  requests: ["runs.list", "runs.annotate", "runs.differences", "runs.tasks", ...viewRequests],
  events: ["runsChanged", "viewsChanged"],
});
