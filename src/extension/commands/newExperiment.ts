import { defineCommand } from "../command";
import { createFromTemplate } from "../createExperiment";
import { pickTemplate } from "../templates";
import { t } from "../l10n";

export default defineCommand({
  title: "New Experiment…",
  icon: "$(new-file)",
  menus: [{ menu: "view/title", when: "view == lathe.experiments", group: "navigation@1" }],
  async run(workbench) {
    const template = await pickTemplate(workbench, t("Start from"));
    if (template !== undefined) await createFromTemplate(workbench, template);
  },
});
