import { chosenRuns } from "../choices/chosenRuns";
import { subjectsOfArguments } from "../choices/chosenSubjects";
import { defineCommand } from "../command";

export default defineCommand({
  title: "Open Weights",
  icon: "$(graph)",
  palette: "lathe.hasRuns",
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brun\\b.*\\bmeasured\\b/",
      group: "3_open@3",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.models && viewItem =~ /\\bmodel\\b/",
      group: "3_open@2",
    },
  ],
  async run(workbench, ...args) {
    const given = subjectsOfArguments(workbench, args);
    const runs =
      given !== undefined
        ? []
        : await chosenRuns(workbench, args, {
            title: "Show the weights of which runs?",
            fits: ({ metrics }) => Object.keys(metrics).length > 0,
            none: "No run has made a model yet.",
          });
    const subjects = given ?? runs.map(({ folder }) => ({ kind: "run" as const, run: folder }));
    if (subjects.length > 0) workbench.openPanel("weights", { subjects });
  },
});
