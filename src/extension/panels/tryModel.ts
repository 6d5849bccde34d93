/** Models that answer the same prompt side by side, and the tokens whose probability changed between them. */
import { definePanel } from "./panel";
import { t } from "../l10n";

export default definePanel<"tryModel">({
  title: t("Try Model"),
  icon: "tryModel",
  requests: [
    "runs.list",
    "models.list",
    "models.serve",
    "models.answer",
    "models.stopAnswer",
    "models.score",
  ],
  events: ["runsChanged", "modelServed", "answerGrew"],
});
