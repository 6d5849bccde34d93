/**
 * The tree of devices: what works here, what does not and why. Nodes carry the device as `device`.
 *
 * Context values: `device.works`, `device.fails`, each with `chosen` where the setting names it; `problem`.
 */
import * as vscode from "vscode";
import { chosenDevice } from "../settings";
import { defineView } from "../view";
import type { Workbench } from "../workbench";
import { deviceFace, type DeviceNode } from "./deviceTree/deviceFace";
import { ListedTree } from "./listedTree";
import { onePerWorkbench } from "./onePerWorkbench";
import { treeItem } from "./treeItem";
import { inNoFolder, inTrusted, inUntrusted } from "./welcome";

export const deviceTree = onePerWorkbench(
  ({ backend }: Workbench) =>
    new ListedTree<DeviceNode>({
      what: "Devices",
      async ask(again) {
        const { devices } = await backend.request("devices.list", again ? { again } : {});
        return devices.map((device) => ({ kind: "device", device }));
      },
      itemOf: (node) => treeItem(deviceFace(node, node.device.name === chosenDevice())),
    }),
);

const tryThem = "No device was found.\n[Test Devices Again](command:lathe.refreshDevices)";

export default defineView({
  title: "Devices",
  size: 8,
  collapsed: true,
  welcome: [
    { when: inNoFolder, text: `${tryThem}\n[Open Folder](command:vscode.openFolder)` },
    {
      when: inUntrusted,
      text: "Testing devices runs a small program, which needs a trusted folder.\n[Manage Workspace Trust](command:workbench.trust.manage)",
    },
    { when: inTrusted, text: tryThem },
  ],
  create(workbench, id) {
    const tree = deviceTree(workbench);
    const view = vscode.window.createTreeView(id, { treeDataProvider: tree });
    const tell = () => {
      const chosen = chosenDevice();
      view.description = chosen === undefined ? "the experiment's device" : "";
    };
    tell();
    workbench.context.subscriptions.push(
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (!change.affectsConfiguration("lathe.device")) return;
        tell();
        tree.redraw();
      }),
    );
    return view;
  },
});
