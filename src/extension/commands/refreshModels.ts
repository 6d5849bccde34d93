/** Searches for models again; models written by other programs are not noticed otherwise. */
import { defineCommand } from "../command";
import { getModelTree } from "../views/models";

export default defineCommand({
  title: "Refresh Models",
  icon: "$(refresh)",
  palette: false,
  menus: [{ menu: "view/title", when: "view == lathe.models", group: "navigation@1" }],
  run: async (workbench) => getModelTree(workbench).reload(),
});
