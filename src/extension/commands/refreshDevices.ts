/** Tests every device again, for example after a driver was installed. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import { getDeviceTree } from "../views/devices";
import { t } from "../l10n";

export default defineCommand({
  title: "Test Devices Again",
  icon: "$(refresh)",
  menus: [{ menu: "view/title", when: "view == lathe.devices", group: "navigation@2" }],
  run: async (workbench) =>
    vscode.window.withProgress(
      { location: { viewId: "lathe.devices" }, title: t("Lathe: testing devices") },
      () => getDeviceTree(workbench).reload(),
    ),
});
