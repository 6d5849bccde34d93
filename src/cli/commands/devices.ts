/** `lathe devices`: what can run graphs here and why the rest cannot, and the Python interpreters that were found. */
import Table from "cli-table3";
import { type DeviceReport, listDevices } from "../../backend/engine/devices";
import { examineInterpreters, type InterpreterReport } from "../../backend/engine/torch/torchDevices";
import { formatBytes } from "../../protocol/quantities";
import { defineCommand } from "../command";
import { type Terminal, toPlainLine } from "../terminal";

export default defineCommand<readonly [], object>({
  summary: "list the devices that can train here, and why others cannot",
  async run({ terminal }) {
    terminal.log("Testing each device; a graphics driver or PyTorch may take a few seconds.");
    const [devices, interpreters] = await Promise.all([listDevices(), examineInterpreters()]);
    const tables = [createDeviceTable(devices, terminal), createInterpreterTable(interpreters, terminal)];
    return { document: { devices, interpreters }, text: tables.join("\n") };
  },
});

function createDeviceTable(devices: readonly DeviceReport[], { colors }: Terminal): string {
  const { green, dim, bold } = colors;
  const table = new Table({
    head: ["device", "usable", "memory", "description, or reason"].map((each) => bold(each)),
    style: { head: [], border: [], compact: true },
    wordWrap: true,
    colWidths: [12, 8, 10, 70],
  });
  for (const { name, works, description, reason, memoryBytes, cards = [] } of devices) {
    const lines = [
      toPlainLine(reason === "" ? description : `${description}: ${reason}`),
      ...cards.map((card, index) => toPlainLine(`card ${index}: ${describeCard(card)}`)),
    ];
    table.push([
      name,
      works ? green("yes") : dim("no"),
      memoryBytes === undefined ? "" : formatBytes(memoryBytes),
      lines.join("\n"),
    ]);
  }
  return table.toString();
}

function describeCard({ name, totalBytes, freeBytes }: NonNullable<DeviceReport["cards"]>[number]): string {
  const free = freeBytes === undefined ? "" : `, ${formatBytes(freeBytes)} free`;
  return `${name}, ${formatBytes(totalBytes)}${free}`;
}

function createInterpreterTable(interpreters: readonly InterpreterReport[], { colors }: Terminal): string {
  const { green, dim, bold } = colors;
  if (interpreters.length === 0) return "No Python interpreter was found; only devices of PyTorch need one.";
  const table = new Table({
    head: ["Python", "used", "PyTorch", "interpreter, or reason"].map((each) => bold(each)),
    style: { head: [], border: [], compact: true },
    wordWrap: true,
    colWidths: [12, 8, 15, 65],
  });
  for (const { path, source, isUsed, python, torch, reason } of interpreters)
    table.push([
      python ?? "",
      isUsed ? green("yes") : dim("no"),
      torch ?? "",
      toPlainLine(reason === "" ? `${path} (from ${source})` : reason),
    ]);
  return table.toString();
}
