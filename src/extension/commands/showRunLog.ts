import { chosenRun } from "../choices/chosenRuns";
import { defineCommand } from "../command";
import { showRunLog } from "../runLog";

export default defineCommand({
  title: "Show Log of Run",
  icon: "$(output)",
  palette: "lathe.hasRuns",
  menus: [
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "3_open@4" },
  ],
  async run(workbench, ...args) {
    const run = await chosenRun(workbench, args, {
      title: "Show the log of which run?",
      none: "There is no run yet.",
    });
    if (run !== undefined) await showRunLog(run);
  },
});
