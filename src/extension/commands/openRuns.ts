import { defineCommand } from "../command";

export default defineCommand({
  title: "Open Runs",
  icon: "$(table)",
  menus: [{ menu: "view/title", when: "view == lathe.runs", group: "navigation@1" }],
  run: async ({ openPanel }) => openPanel("runs", {}),
});
