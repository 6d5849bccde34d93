/** The order of the runs in the tree, which the workspace remembers. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import { type Sorting, sortings } from "../views/runTree/arrangement";
import { shownRuns } from "../views/runTree/shownRuns";

const labels: Readonly<Record<Sorting, readonly [label: string, detail: string]>> = {
  newest: ["Newest", "newest first"],
  name: ["Name", "alphabetical, with numbers in numeric order"],
  loss: ["Last loss", "lowest first, runs without a loss last"],
  state: ["State", "active runs first, then failed runs"],
};

export default defineCommand({
  title: "Sort Runs",
  icon: "$(list-ordered)",
  palette: "lathe.hasRuns",
  menus: [{ menu: "view/title", when: "view == lathe.runs && lathe.hasRuns", group: "2_arrange@2" }],
  /** Takes the order's name from a caller that knows it. */
  async run(workbench, given) {
    const shown = shownRuns(workbench);
    const known = sortings.find((sorting) => sorting === given);
    if (known !== undefined) return shown.arrange({ sorting: known });
    const items = sortings.map((sorting) => ({
      label: labels[sorting][0],
      description: labels[sorting][1],
      iconPath: new vscode.ThemeIcon(sorting === shown.arrangement.sorting ? "check" : "blank"),
      sorting,
    }));
    const picked = await vscode.window.showQuickPick(items, { title: "Sort runs by" });
    if (picked !== undefined) await shown.arrange({ sorting: picked.sorting });
    return undefined;
  },
});
