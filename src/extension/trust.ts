/** In a workspace that nobody has trusted nothing is executed or changed; buttons are greyed out, and this holds where they aren't. */
import * as vscode from "vscode";
import { WorkbenchError } from "../protocol/errors";

/** For `enablement` of commands. */
export const whenTrusted = "isWorkspaceTrusted";

/** `deed` is what was refused: "Training". */
export function requireTrust(deed: string): void {
  if (!vscode.workspace.isTrusted)
    throw new WorkbenchError(
      "unsupported",
      `${deed} needs a trusted workspace. Say "Workspaces: Manage Workspace Trust" to trust this one.`,
    );
}
