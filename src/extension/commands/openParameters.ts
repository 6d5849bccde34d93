import * as vscode from "vscode";
import type { Subject } from "../../protocol/service/models";
import { chosenExperiment } from "../choices/chosenExperiment";
import { plannedSubjects, storedSubjects, variantsOf } from "../choices/chosenSubjects";
import { defineCommand } from "../command";
import type { Workbench } from "../workbench";

/** More columns than that nobody compares. */
const mostModels = 12;

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
    const given = storedSubjects(workbench, args) ?? (await plannedSubjects(workbench, args));
    const subjects = given.length > 0 ? given : await chosen(workbench, args);
    if (subjects.length === 0) return;
    workbench.openPanel("parameters", { subjects: subjects.slice(0, mostModels) });
    if (subjects.length > mostModels)
      void vscode.window.showInformationMessage(
        `Showing the first ${mostModels} of ${subjects.length} models. Add others in the panel.`,
      );
  },
});

async function chosen(workbench: Workbench, args: readonly unknown[]): Promise<readonly Subject[]> {
  const found = await chosenExperiment(args, "Select an experiment to count its parameters");
  return found === undefined ? [] : variantsOf(workbench, found.experiment);
}
