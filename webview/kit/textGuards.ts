/**
 * Keeps the editor's commands for text away from what is not text: Cut, Copy and Paste appear over a field or selected
 * words only, and Select All in a table does not select the words of the page.
 */
const fields = "input:not([type=checkbox], [type=range]), textarea, vscode-textfield";

export function guardText(): void {
  addEventListener(
    "contextmenu",
    ({ target }) => {
      const isText = target instanceof Element && target.closest(fields) !== null;
      const hasSelection = getSelection()?.isCollapsed === false;
      // The editor reads this before it opens its own menu.
      if (isText || hasSelection) delete document.body.dataset.vscodeContext;
      else document.body.dataset.vscodeContext = JSON.stringify({ preventDefaultContextMenuItems: true });
    },
    { capture: true },
  );
  let isPointed = false;
  addEventListener("pointerdown", () => (isPointed = true), { capture: true });
  addEventListener("pointerup", () => (isPointed = false), { capture: true });
  addEventListener("pointercancel", () => (isPointed = false), { capture: true });
  // Also when the editor itself selects everything, as its Ctrl+A does.
  document.addEventListener("selectstart", (event) => {
    if (!isPointed && document.activeElement?.matches(fields) !== true) event.preventDefault();
  });
  addEventListener("keydown", (event) => {
    const isSelectAll = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a";
    if (isSelectAll && event.target instanceof Element && event.target.closest(fields) === null)
      event.preventDefault();
  });
}
