/** `lathe devices`: what can run graphs here, and why the rest cannot. */
import Table from "cli-table3";
import { listDevices } from "../../backend/engine/devices";
import { defineCommand } from "../command";
import { toPlainLine } from "../terminal";

export default defineCommand<readonly [], object>({
  summary: "list the devices that can train here, and why others cannot",
  async run({ terminal }) {
    terminal.log("Testing each device; a graphics driver may take a few seconds.");
    const devices = await listDevices();
    const { green, dim, bold } = terminal.colors;
    const table = new Table({
      head: ["device", "usable", "description, or reason"].map((each) => bold(each)),
      style: { head: [], border: [], compact: true },
      wordWrap: true,
      colWidths: [10, 8, 78],
    });
    for (const { name, works, description, reason } of devices)
      table.push([
        name,
        works ? green("yes") : dim("no"),
        toPlainLine(reason === "" ? description : `${description}: ${reason}`),
      ]);
    return { document: { devices }, text: table.toString() };
  },
});
