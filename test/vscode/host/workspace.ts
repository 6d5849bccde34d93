/** The folder of the suites, and how they wait. */
import * as vscode from "vscode";

export const workspaceFolder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;

/** Polls repeatedly; the error names what did not appear. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  milliseconds = 60_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + milliseconds;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== null && found !== false) return found;
    if (Date.now() > end) throw new Error(`No sign of ${what} within ${milliseconds / 1000} s.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
