import { defineCommand } from "../command";

export default defineCommand({
  title: "Restart Backend",
  run: async ({ backend }) => backend.restart(),
});
