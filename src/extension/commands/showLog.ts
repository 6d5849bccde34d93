import { defineCommand } from "../command";

export default defineCommand({
  title: "Show Log",
  icon: "$(output)",
  run: async ({ log }) => log.show(),
});
