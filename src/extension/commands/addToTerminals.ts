import * as vscode from "vscode";
import { defineCommand } from "../command";
import { t } from "../l10n";
import { addToTerminals, isInTerminals, removeFromTerminals } from "../terminals";

export default defineCommand({
  title: "Add 'lathe' to Terminals",
  icon: "$(terminal)",
  async run({ context }) {
    if (isInTerminals(context)) {
      const remove = t("Remove");
      const answer = await vscode.window.showInformationMessage(
        t("Integrated terminals already have the command `lathe`."),
        remove,
      );
      if (answer === remove) await removeFromTerminals(context);
      return;
    }
    await addToTerminals(context);
    const open = t("Open Terminal");
    void vscode.window
      .showInformationMessage(
        t(
          "New integrated terminals have the command `lathe`. Terminals that are open get it when they are relaunched.",
        ),
        open,
      )
      .then((answer) => {
        if (answer === open) vscode.window.createTerminal().show();
      });
  },
});
