import * as vscode from "vscode";
import { WorkbenchError } from "../../protocol/errors";
import { defineCommand } from "../command";
import { listTemplates, openCopy } from "../templates";

export default defineCommand({
  title: "Open Example…",
  icon: "$(lightbulb)",
  /** `id` is the example's file without its ending, as the walkthrough names it. */
  async run({ context }, id) {
    const examples = (await listTemplates(context.extensionUri)).filter(({ isExample }) => isExample);
    if (typeof id === "string") {
      const example = examples.find((each) => each.id === id);
      if (example === undefined)
        throw new WorkbenchError("not-found", `There is no example named ${id}.`, {
          allowed: examples.map((each) => each.id),
        });
      await openCopy(example);
      return;
    }
    const picked = await vscode.window.showQuickPick(
      examples.map((example) => ({ label: example.title, detail: example.summary, example })),
      { title: "Select an example to copy into your folder", matchOnDetail: true },
    );
    if (picked !== undefined) await openCopy(picked.example);
  },
});
