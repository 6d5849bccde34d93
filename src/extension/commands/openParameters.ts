import type { Subject } from "../../protocol/service/models";
import { chosenExperiment } from "../choices/chosenExperiment";
import { experimentSubjects, subjectsOfArguments } from "../choices/chosenSubjects";
import { defineCommand } from "../command";
import type { Workbench } from "../workbench";

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
    { menu: "notebook/toolbar", when: "notebookType == lathe-notebook", group: "navigation/execute@21" },
  ],
  async run(workbench, ...args) {
    const subjects = subjectsOfArguments(workbench, args) ?? (await chosen(workbench, args));
    if (subjects.length > 0) workbench.openPanel("parameters", { subjects });
  },
});

async function chosen(workbench: Workbench, args: readonly unknown[]): Promise<readonly Subject[]> {
  const experiment = await chosenExperiment(args, "Count the parameters of which experiment?");
  return experiment === undefined ? [] : experimentSubjects(workbench, experiment);
}
