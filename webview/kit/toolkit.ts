/**
 * The controls of the pages, and only those that are used, because each one weighs on every page. Buttons and the progress
 * ring are those of Microsoft's toolkit. Text fields and check boxes are those of VS Code Elements, which is maintained:
 * the toolkit's name themselves after their kind ("Text field") over any label. Lists of choices are native, see `select.ts`.
 */
import "@vscode-elements/elements/dist/vscode-checkbox/index.js";
import "@vscode-elements/elements/dist/vscode-textfield/index.js";
import { provideVSCodeDesignSystem, vsCodeButton, vsCodeProgressRing } from "@vscode/webview-ui-toolkit";

export function registerControls(): void {
  provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeProgressRing());
}

/** The value of the control that an event came from. */
export function getValue(event: Event): string {
  return (event.currentTarget as HTMLInputElement).value;
}

export function isChecked(event: Event): boolean {
  return (event.currentTarget as HTMLInputElement).checked;
}
