/**
 * The tree of devices: what works here, what does not and why, with the cards of PyTorch; then the Python interpreters.
 * Nodes carry the device as `device`.
 *
 * Context values: `device.works`, `device.fails`, each with `chosen` where the setting names it; `card`; `interpreter`, with
 * `used` for the one that devices of PyTorch use; `problem`.
 */
import * as vscode from "vscode";
import { getDefaultDevice } from "../settings";
import { defineView } from "../view";
import type { Workbench } from "../workbench";
import {
  type DeviceTreeNode,
  listCards,
  presentCard,
  presentDevice,
  presentInterpreter,
} from "./deviceTree/presentDevice";
import { ListTree } from "./listTree";
import { memoizeByWorkbench } from "./memoizeByWorkbench";
import type { NodePresentation } from "./nodePresentation";
import { createTreeItem } from "./treeItem";
import { inNoFolder, inTrusted, inUntrusted } from "./welcome";
import { t } from "../l10n";

export const getDeviceTree = memoizeByWorkbench(
  ({ backend }: Workbench) =>
    new ListTree<DeviceTreeNode>({
      failureLabel: t("Could not list the devices"),
      async ask(again) {
        // The welcome text explains why nothing is listed.
        if (!vscode.workspace.isTrusted) return [];
        const { devices, interpreters } = await backend.request("devices.list", again ? { again } : {});
        return [
          ...devices.map((device) => ({ kind: "device", device }) as const),
          ...interpreters.map((interpreter) => ({ kind: "interpreter", interpreter }) as const),
        ];
      },
      childrenOf: (node) => (node.kind === "device" ? listCards(node) : []),
      itemOf: (node) => createTreeItem(present(node)),
    }),
);

function present(node: DeviceTreeNode): NodePresentation {
  if (node.kind === "card") return presentCard(node);
  if (node.kind === "interpreter") return presentInterpreter(node);
  return presentDevice(node, node.device.name === getDefaultDevice());
}

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
      vscode.workspace.onDidGrantWorkspaceTrust(() => tree.refresh()),
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (!change.affectsConfiguration("lathe.device")) return;
        updateDescription();
        tree.redraw();
      }),
    );
    return view;
  },
});
