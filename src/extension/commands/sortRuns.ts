/** The order of the runs in the tree, which the workspace remembers. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import { type Sorting, sortings } from "../views/runTree/arrangement";
import { getShownRuns } from "../views/runTree/shownRuns";
import { t } from "../l10n";

const labels: Readonly<Record<Sorting, readonly [label: string, detail: string]>> = {
  newest: [t("Newest"), t("newest first")],
  name: [t("Name"), t("alphabetical, with numbers in numeric order")],
  loss: [t("Eval loss"), t("lowest first, then runs that only have a train loss")],
  state: [t("State"), t("active runs first, then failed runs")],
};

export default defineCommand({
  title: "Sort Runs",
  icon: "$(list-ordered)",
  palette: "lathe.hasRuns",
  menus: [{ menu: "view/title", when: "view == lathe.runs && lathe.hasRuns", group: "2_arrange@2" }],
  /** Takes the order's name from a caller that knows it. */
  async run(workbench, requested) {
    const shownRuns = getShownRuns(workbench);
    const sorting = sortings.find((each) => each === requested);
    if (sorting !== undefined) return shownRuns.arrange({ sorting: sorting });
    const items = sortings.map((sorting) => ({
      label: labels[sorting][0],
      description: labels[sorting][1],
      iconPath: new vscode.ThemeIcon(sorting === shownRuns.arrangement.sorting ? "check" : "blank"),
      sorting,
    }));
    const picked = await vscode.window.showQuickPick(items, { title: t("Sort runs by") });
    if (picked !== undefined) await shownRuns.arrange({ sorting: picked.sorting });
    return undefined;
  },
});
