/** The controls of the pages: the toolkit's elements, and only those that are used, because each one weighs on every page. */
import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDivider,
  vsCodeProgressRing,
  vsCodeTag,
  vsCodeTextField,
} from "@vscode/webview-ui-toolkit";

export function registerControls(): void {
  provideVSCodeDesignSystem().register(
    vsCodeButton(),
    vsCodeCheckbox(),
    vsCodeDivider(),
    vsCodeProgressRing(),
    vsCodeTag(),
    vsCodeTextField(),
  );
}

/** The value of the control that an event came from. */
export function getValue(event: Event): string {
  return (event.currentTarget as HTMLInputElement).value;
}

export function isChecked(event: Event): boolean {
  return (event.currentTarget as HTMLInputElement).checked;
}
