import * as vscode from "vscode";
import type { Subject } from "../../protocol/service/models";
import { pickExperiment } from "../choices/pickExperiment";
import { getPlannedSubjects, getStoredSubjects, getVariantSubjects } from "../choices/subjects";
import { defineCommand } from "../command";
import type { Workbench } from "../workbench";
import { t } from "../l10n";

/** More columns than that nobody compares. */
const maxModels = 12;

export default defineCommand({
  title: "Show Parameters",
  icon: "$(list-ordered)",
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brun\\b.*\\bmeasured\\b/",
      group: "3_open@3",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.models && viewItem =~ /\\bmodel\\b/",
      group: "3_open@1",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.experiments && viewItem =~ /\\b(experiment|variant)\\b/",
      group: "3_open@2",
    },
    { menu: "explorer/context", when: "resourceFilename =~ /\\.lathe\\.md$/", group: "navigation@91" },
    { menu: "notebook/toolbar", when: "notebookType == lathe-notebook", group: "navigation/execute@21" },
  ],
  async run(workbench, ...args) {
    const requested = getStoredSubjects(workbench, args) ?? (await getPlannedSubjects(workbench, args));
    const subjects = requested.length > 0 ? requested : await pickSubjects(workbench, args);
    if (subjects.length === 0) return;
    workbench.openPanel("parameters", { subjects: subjects.slice(0, maxModels) });
    if (subjects.length > maxModels)
      void vscode.window.showInformationMessage(
        t("Showing the first {0} of {1} models. Add others in the panel.", maxModels, subjects.length),
      );
  },
});

async function pickSubjects(workbench: Workbench, args: readonly unknown[]): Promise<readonly Subject[]> {
  const target = await pickExperiment(args, t("Select an experiment to count its parameters"));
  return target === undefined ? [] : getVariantSubjects(workbench, target.experiment);
}
