import * as vscode from "vscode";
import { defineCommand } from "../command";
import { plainText } from "../plainText";
import { chooseDevice, chosenDevice } from "../settings";

const byExperiment = "Use the experiment's device";

export default defineCommand({
  title: "Choose Device…",
  icon: "$(chip)",
  enablement: "isWorkspaceTrusted",
  menus: [
    { menu: "view/title", when: "view == lathe.devices", group: "navigation@1" },
    {
      menu: "view/item/context",
      when: "view == lathe.devices && viewItem =~ /\\bdevice\\b.*\\bworks\\b/",
      group: "inline@1",
    },
  ],
  async run(workbench, ...args) {
    const [given] = args as readonly ({ readonly device?: { readonly name?: unknown } } | undefined)[];
    if (typeof given?.device?.name === "string") return chooseDevice(given.device.name);
    const current = chosenDevice();
    const { devices } = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: "Lathe: testing devices" },
      () => workbench.backend.request("devices.list", {}),
    );
    const mark = (name: string | undefined) => (name === current ? "chosen now" : "");
    const items = [
      { label: byExperiment, description: mark(undefined), device: undefined },
      ...devices
        .filter(({ works }) => works)
        .map(({ name, description }) => ({
          label: plainText(name),
          description: mark(name),
          detail: plainText(description),
          device: name,
        })),
    ];
    const missing = devices.filter(({ works }) => !works).map(({ name }) => plainText(name));
    const picked = await vscode.window.showQuickPick(items, {
      title: "Select the device for new runs",
      placeHolder:
        missing.length === 0
          ? "All devices are available"
          : `Not available: ${missing.join(", ")}. The Devices view shows the reason.`,
    });
    return picked === undefined ? undefined : chooseDevice(picked.device);
  },
});
