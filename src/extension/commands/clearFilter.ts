/** Shows all runs again. */
import { defineCommand } from "../command";
import { getShownRuns } from "../views/runTree/shownRuns";

export default defineCommand({
  title: "Clear Run Filter",
  icon: "$(clear-all)",
  palette: "lathe.runsFiltered",
  menus: [{ menu: "view/title", when: "view == lathe.runs && lathe.runsFiltered", group: "navigation@4" }],
  run: (workbench) => getShownRuns(workbench).arrange({ filter: "" }),
});
