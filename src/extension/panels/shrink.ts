/** Measures of the runs of an experiment against how much smaller their models are. */
import { definePanel } from "./panel";
import { t } from "../l10n";

export default definePanel<"shrink">({
  title: t("Shrink"),
  icon: "shrink",
  requests: ["runs.list", "runs.results"],
  events: ["runsChanged"],
});
