/** Nothing is executed or changed in an untrusted workspace: buttons are disabled, and this check holds where they are not. */
import * as vscode from "vscode";
import { WorkbenchError } from "../protocol/errors";

/** For `enablement` of commands. */
export const whenTrusted = "isWorkspaceTrusted";

/** `deed` is what was refused: "Training". */
export function requireTrust(deed: string): void {
  if (!vscode.workspace.isTrusted)
    throw new WorkbenchError(
      "unsupported",
      `${deed} needs a trusted workspace. Run "Workspaces: Manage Workspace Trust" to trust this one.`,
    );
}
