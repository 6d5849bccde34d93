/** Distributions and pictures of weights, by role. */
import { definePanel } from "./panel";
import { t } from "../l10n";

export default definePanel({
  title: t("Weights"),
  icon: "weights",
  requests: [
    "runs.list",
    "models.list",
    "weights.roles",
    "weights.histogram",
    "weights.heatMap",
    "weights.correlation",
    "histograms.list",
    "histograms.read",
  ],
  events: ["runsChanged"],
});
