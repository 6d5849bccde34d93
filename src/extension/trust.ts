/** Nothing is executed or changed in an untrusted workspace: buttons are disabled, and this check holds where they are not. */
import * as vscode from "vscode";
import { WorkbenchError } from "../protocol/errors";
import { t } from "./l10n";

/** For `enablement` of commands. */
export const whenTrusted = "isWorkspaceTrusted";

/** `action` is what was refused: "Training". */
export function requireTrust(action: string): void {
  if (!vscode.workspace.isTrusted)
    throw new WorkbenchError(
      "unsupported",
      t('{0} needs a trusted workspace. Run "Workspaces: Manage Workspace Trust" to trust this one.', action),
    );
}
