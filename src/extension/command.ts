/** A command is one file in `commands/`: its name is the id, `lathe.<name>`, and the manifest is generated from it. */
import * as vscode from "vscode";
import type { RunSummary } from "../protocol/service/runs";
import type { Workbench } from "./workbench";

export interface MenuEntry {
  /** A menu of the manifest: `view/title`, `view/item/context`, `notebook/toolbar`, `editor/title`, … */
  readonly menu: string;
  readonly when?: string;
  /** `navigation@1`, `inline@2`, … */
  readonly group?: string;
}

export interface Command {
  /** As the palette shows it after `Lathe: `. */
  readonly title: string;
  /** A product icon: `$(debug-stop)`. */
  readonly icon?: string;
  /** When the palette offers it; `false` for a command that makes sense only where it is a button. */
  readonly palette?: string | false;
  readonly enablement?: string;
  readonly menus?: readonly MenuEntry[];
  readonly keybinding?: {
    readonly key: string;
    readonly mac?: string;
    readonly when: string;
    readonly args?: unknown;
  };
  /** `args` as VS Code hands them over: a tree item, an editor's URI, run folders, or nothing. */
  run(workbench: Workbench, ...args: readonly unknown[]): Promise<unknown>;
}

export function defineCommand(command: Command): Command {
  return command;
}

/** Errors of a command are shown to the user. */
export function registerCommands(workbench: Workbench, commands: Readonly<Record<string, Command>>): void {
  for (const [id, command] of Object.entries(commands)) {
    const run = async (...args: unknown[]): Promise<unknown> => {
      try {
        return await command.run(workbench, ...args);
      } catch (error) {
        workbench.report(error);
        return undefined;
      }
    };
    workbench.context.subscriptions.push(vscode.commands.registerCommand(`lathe.${id}`, run));
  }
}

/** Tree items that represent a run have its folder under this name. */
export interface HasRun {
  readonly run: RunSummary;
}

/** The same for an experiment, one of its variants or one of its cells. `experiment` is the file's absolute path. */
export interface HasExperiment {
  readonly experiment: string;
  readonly variant?: string;
  readonly cell?: number;
}
