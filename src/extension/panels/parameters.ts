/** The five numbers of one or more models, by role. */
import { definePanel } from "./panel";
import { t } from "../l10n";

export default definePanel({
  title: t("Parameters"),
  icon: "parameters",
  requests: ["experiments.list", "runs.list", "models.list", "sizes.of"],
  events: ["runsChanged"],
});
