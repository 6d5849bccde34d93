import * as vscode from "vscode";
import { defineCommand } from "../command";
import { escapeControls } from "../plainText";
import { setDefaultDevice, getDefaultDevice } from "../settings";
import { t } from "../l10n";

const experimentDeviceLabel = t("Use the experiment's device");

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
      { location: vscode.ProgressLocation.Window, title: t("Lathe: testing devices") },
      () => workbench.backend.request("devices.list", {}),
    );
    const getCheckmark = (name: string | undefined) => (name === current ? t("chosen now") : "");
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
      title: t("Select the device for new runs"),
      placeHolder:
        unavailable.length === 0
          ? t("All devices are available")
          : t("Not available: {0}. The Devices view shows the reason.", unavailable.join(", ")),
    });
    return picked === undefined ? undefined : setDefaultDevice(picked.device);
  },
});
