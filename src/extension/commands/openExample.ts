import { WorkbenchError } from "../../protocol/errors";
import { defineCommand } from "../command";
import { createFromTemplate } from "../createExperiment";
import { listExamples, pickTemplate } from "../templates";
import { t } from "../l10n";

export default defineCommand({
  title: "Open Example…",
  icon: "$(lightbulb)",
  /** `id` is the example's file without its ending, as the walkthrough names it. */
  async run(workbench, id) {
    if (typeof id === "string") {
      const examples = await listExamples(workbench);
      const example = examples.find((each) => each.id === id);
      if (example === undefined)
        throw new WorkbenchError("not-found", t("There is no example named {0}.", id), {
          allowed: examples.map((each) => each.id),
        });
      await createFromTemplate(workbench, example);
      return;
    }
    const template = await pickTemplate(workbench, t("Select an example to copy into your folder"));
    if (template !== undefined) await createFromTemplate(workbench, template);
  },
});
