import { defineCommand } from "../command";

export default defineCommand({
  title: "Restart Backend Service",
  run: async ({ backend }) => backend.revive(),
});
