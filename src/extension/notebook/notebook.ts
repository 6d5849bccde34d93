/** The notebook: experiments as cells that run, explain themselves and show what their runs came to. Wiring only. */
import * as vscode from "vscode";
import type { Workbench } from "../workbench";
import { registerCellStatus } from "./cellStatus";
import { ExperimentChecker } from "./experimentChecker";
import { NotebookController } from "./controller";
import { registerLanguageFeatures } from "./languageFeatures";
import { OpenExperiments } from "./openExperiments";
import { registerRendererMessaging } from "./rendererMessaging";
import { createSerializer, notebookType } from "./serializer";

export function registerNotebook(workbench: Workbench): void {
  const { context, backend, report } = workbench;
  const controller = new NotebookController(workbench);
  const checker = new ExperimentChecker(workbench);
  const experiments = new OpenExperiments({
    changed: (source, signal) => {
      checker.changed(source, signal);
      controller.changed(source, signal).catch(report);
    },
    closed: (opened) => checker.closed(opened),
  });
  context.subscriptions.push(
    // Outputs live in run folders, never in the file.
    vscode.workspace.registerNotebookSerializer(notebookType, createSerializer(report), {
      transientOutputs: true,
    }),
    controller,
    checker,
    experiments,
    registerLanguageFeatures(workbench, checker),
    registerRendererMessaging(workbench),
    registerCellStatus(workbench, controller),
    backend.onRestart(() => experiments.refresh()),
  );
}
