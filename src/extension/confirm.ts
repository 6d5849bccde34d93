/** Asks before runs are stopped or moved, if the setting asks for it. */
import * as vscode from "vscode";
import type { RunSummary } from "../protocol/service/runs";
import { plural, t } from "./l10n";
import { escapeNotification } from "./plainText";
import { needsConfirmation } from "./settings";
import { toSingleLine } from "./views/text";

/** True if the action may go ahead. */
export async function confirm(action: "stop" | "trash", runs: readonly RunSummary[]): Promise<boolean> {
  if (runs.length === 0 || !needsConfirmation(action)) return true;
  const subject = runs.length === 1 ? toSingleLine(runs[0]!.name) : plural(runs.length, "1 run", "{0} runs");
  const { question, detail, button } =
    action === "stop"
      ? {
          question: t("Stop {0}?", subject),
          detail: t("Each run writes a checkpoint first and can be resumed."),
          button: t("Stop"),
        }
      : {
          question: t("Move {0} to the trash?", subject),
          detail: t("The runs can be restored."),
          button: t("Move to Trash"),
        };
  const answer = await vscode.window.showWarningMessage(
    escapeNotification(question),
    { modal: true, detail },
    button,
  );
  return answer === button;
}
