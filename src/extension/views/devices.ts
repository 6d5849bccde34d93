/**
 * The tree of devices: what works here, what does not and why. Nodes carry the device as `device`.
 *
 * Context values: `device.works`, `device.fails`, each with `chosen` where the setting names it; `problem`.
 */
import * as vscode from "vscode";
import { getDefaultDevice } from "../settings";
import { defineView } from "../view";
import type { Workbench } from "../workbench";
import { presentDevice, type DeviceNode } from "./deviceTree/presentDevice";
import { ListTree } from "./listTree";
import { memoizeByWorkbench } from "./memoizeByWorkbench";
import { createTreeItem } from "./treeItem";
import { inNoFolder, inTrusted, inUntrusted } from "./welcome";
import { t } from "../l10n";

export const getDeviceTree = memoizeByWorkbench(
  ({ backend }: Workbench) =>
    new ListTree<DeviceNode>({
      failureLabel: t("Could not list the devices"),
      async ask(again) {
        const { devices } = await backend.request("devices.list", again ? { again } : {});
        return devices.map((device) => ({ kind: "device", device }));
      },
      itemOf: (node) => createTreeItem(presentDevice(node, node.device.name === getDefaultDevice())),
    }),
);

const noDeviceText = "No device was found.\n[Test Devices Again](command:lathe.refreshDevices)";

export default defineView({
  title: "Devices",
  size: 8,
  collapsed: true,
  welcome: [
    { when: inNoFolder, text: `${noDeviceText}\n[Open Folder](command:vscode.openFolder)` },
    {
      when: inUntrusted,
      text: "Testing devices runs a small program, which needs a trusted folder.\n[Manage Workspace Trust](command:workbench.trust.manage)",
    },
    { when: inTrusted, text: noDeviceText },
  ],
  create(workbench, id) {
    const tree = getDeviceTree(workbench);
    const view = vscode.window.createTreeView(id, { treeDataProvider: tree });
    const updateDescription = () => {
      const device = getDefaultDevice();
      view.description = device === undefined ? t("the experiment's device") : "";
    };
    updateDescription();
    workbench.context.subscriptions.push(
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (!change.affectsConfiguration("lathe.device")) return;
        updateDescription();
        tree.redraw();
      }),
    );
    return view;
  },
});
