/** Tries every device anew, as after installing a driver. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import { deviceTree } from "../views/devices";

export default defineCommand({
  title: "Try Devices Again",
  icon: "$(refresh)",
  menus: [{ menu: "view/title", when: "view == lathe.devices", group: "navigation@2" }],
  run: async (workbench) =>
    vscode.window.withProgress(
      { location: { viewId: "lathe.devices" }, title: "Lathe: trying the devices" },
      () => deviceTree(workbench).askAgain(),
    ),
});
