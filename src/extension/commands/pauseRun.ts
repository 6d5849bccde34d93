import { chosenRuns } from "../choices/chosenRuns";
import { defineCommand } from "../command";
import { whenTrusted } from "../trust";
import { withRuns } from "../withRuns";

export default defineCommand({
  title: "Pause Run",
  icon: "$(debug-pause)",
  palette: "lathe.hasActiveRun",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brunning\\b/",
      group: "1_control@2",
    },
  ],
  async run(workbench, ...args) {
    const runs = await chosenRuns(workbench, args, {
      title: "Select runs to pause",
      fits: ({ state }) => state === "running",
      none: "No run is training.",
    });
    await withRuns(runs, "Pausing", ({ folder }) => workbench.backend.request("runs.pause", { run: folder }));
  },
});
