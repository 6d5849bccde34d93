import * as vscode from "vscode";
import { defineCommand } from "../command";
import { escapeControls } from "../plainText";
import { setDefaultDevice, getDefaultDevice } from "../settings";

const experimentDeviceLabel = "Use the experiment's device";

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
    const [requested] = args as readonly ({ readonly device?: { readonly name?: unknown } } | undefined)[];
    if (typeof requested?.device?.name === "string") return setDefaultDevice(requested.device.name);
    const current = getDefaultDevice();
    const { devices } = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: "Lathe: testing devices" },
      () => workbench.backend.request("devices.list", {}),
    );
    const getCheckmark = (name: string | undefined) => (name === current ? "chosen now" : "");
    const items = [
      { label: experimentDeviceLabel, description: getCheckmark(undefined), device: undefined },
      ...devices
        .filter(({ works }) => works)
        .map(({ name, description }) => ({
          label: escapeControls(name),
          description: getCheckmark(name),
          detail: escapeControls(description),
          device: name,
        })),
    ];
    const unavailable = devices.filter(({ works }) => !works).map(({ name }) => escapeControls(name));
    const picked = await vscode.window.showQuickPick(items, {
      title: "Select the device for new runs",
      placeHolder:
        unavailable.length === 0
          ? "All devices are available"
          : `Not available: ${unavailable.join(", ")}. The Devices view shows the reason.`,
    });
    return picked === undefined ? undefined : setDefaultDevice(picked.device);
  },
});
