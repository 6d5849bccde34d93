/** The report of an experiment, as `lathe report` writes it. */
import { definePanel } from "./panel";
import { t } from "../l10n";

export default definePanel<"report">({
  title: t("Report"),
  icon: "report",
  requests: ["experiment.report", "runs.list"],
  events: ["runsChanged"],
});
